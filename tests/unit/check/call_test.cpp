// Threads, calls that are over, and what belongs to one call.
#include <thread>

#include "toy.hpp"

using namespace gesso;
using namespace gesso::test;

namespace {

/// Takes results, and does something in between.
struct Receiver {
  std::function<void()> meanwhile;
  std::vector<gesso_tensor_t*> got;
  gesso_sink_t sink{
      sizeof(gesso_sink_t), 0, this,
      [](const gesso_sink_t* sink, uint32_t, int32_t, gesso_tensor_t* tensor) -> gesso_status_t {
        auto& self = *static_cast<Receiver*>(sink->data);
        if (self.meanwhile) self.meanwhile();
        if (tensor) self.got.push_back(tensor);
        return GESSO_STATUS_OK;
      }};
};

Tensor pair() {
  const int64_t two = 2;
  return Tensor::empty(kF32, {&two, 1});
}

gesso_status_t give(const gesso_run_t* run, gesso_tensor_t* tensor) {
  return run->outputs->accept(run->outputs, 0, 0, tensor);
}

}  // namespace

TEST_CASE_FIXTURE(Bench, "two threads in one instance are told, and the second is refused") {
  prepare();
  gesso_status_t second = GESSO_STATUS_OK;
  bool is_inside = false;
  toy.on_run = [&](auto, auto) -> gesso_status_t {
    CHECK_FALSE(is_inside);
    is_inside = true;
    std::thread([&] { second = run(); }).join();
    return GESSO_STATUS_OK;
  };
  CHECK(run() == GESSO_STATUS_OK);
  CHECK(second == GESSO_STATUS_BAD_STATE);
  told_only({"gesso_module_t.run: called while another thread is in a call of the same object"});
}

TEST_CASE_FIXTURE(Bench, "a host that enters an instance again from a sink is told") {
  prepare();
  Receiver receiver;
  gesso_status_t inner = GESSO_STATUS_OK;
  receiver.meanwhile = [&] { inner = run(); };
  toy.on_run = [](auto, const gesso_run_t* run) { return give(run, nullptr); };
  CHECK(run(&receiver.sink) == GESSO_STATUS_OK);
  CHECK(inner == GESSO_STATUS_BAD_STATE);
  told_only({"gesso_module_t.run: called again from inside of a call of the same object"});
}

TEST_CASE_FIXTURE(Bench, "destroy inside of a call is refused") {
  prepare();
  toy.on_run = [&](auto, auto) -> gesso_status_t {
    component->destroy(component->self);
    return GESSO_STATUS_OK;
  };
  run();
  CHECK(toy.destroyed == 0);
  told_only({"gesso_component_t.destroy: called while another call of the instance runs"});
}

TEST_CASE_FIXTURE(Bench, "a request that is kept is told, and reads as cancelled") {
  prepare();
  const gesso_call_t* kept = nullptr;
  toy.on_run = [&](const gesso_call_t* c, auto) -> gesso_status_t {
    kept = c;
    return GESSO_STATUS_OK;
  };
  run();
  CHECK(kept->cancelled(kept) != 0);
  told_only({"gesso_call_t.cancelled: used after the call returned that it was passed to",
             "[thread-safe & in call]"});
}

TEST_CASE_FIXTURE(Bench, "a sink that is kept is told, and what it gets is released") {
  prepare();
  const gesso_sink_t* kept = nullptr;
  Receiver receiver;
  toy.on_run = [&](auto, const gesso_run_t* run) -> gesso_status_t {
    kept = run->outputs;
    return GESSO_STATUS_OK;
  };
  run(&receiver.sink);
  CHECK(kept->accept(kept, 0, 0, pair().release()) == GESSO_STATUS_BAD_STATE);
  CHECK(receiver.got.empty());
  told_only({"gesso_sink_t.accept: used after the call returned that it was passed to"});
  destroy();
  watcher->finish();
  CHECK(told.size() == 1);
}

TEST_CASE_FIXTURE(Bench, "two threads in one sink are told") {
  prepare();
  Receiver receiver;
  gesso_status_t second = GESSO_STATUS_OK;
  const gesso_run_t* given = nullptr;
  receiver.meanwhile = [&] { std::thread([&] { second = give(given, nullptr); }).join(); };
  toy.on_run = [&](auto, const gesso_run_t* run) {
    given = run;
    return give(run, nullptr);
  };
  CHECK(run(&receiver.sink) == GESSO_STATUS_OK);
  CHECK(second == GESSO_STATUS_BAD_STATE);
  told_only({"gesso_sink_t.accept: called while another thread is in a call of the same object"});
}

TEST_CASE_FIXTURE(Bench, "weights are used inside of calls only") {
  prepare();
  gesso_unit_view_t view{};
  CHECK(toy.weights_service().enter(toy.weights, nullptr, 0, &view) == GESSO_STATUS_BAD_STATE);
  CHECK(entered == 0);
  told_only({"gesso_weights_service_t.enter: called outside of a call of the component"});
}

TEST_CASE_FIXTURE(Bench, "weights are declared in prepare only") {
  prepare();
  toy.on_run = [&](auto, auto) -> gesso_status_t {
    return toy.weights_service().declare(toy.weights, "late", nullptr, 0, nullptr, nullptr);
  };
  CHECK(run() == GESSO_STATUS_BAD_STATE);
  told_only({"gesso_weights_service_t.declare: called outside of prepare"});
}

TEST_CASE_FIXTURE(Bench, "a unit that is not left is told") {
  prepare();
  toy.on_run = [&](const gesso_call_t* c, auto) {
    gesso_unit_view_t view{};
    return toy.weights_service().enter(toy.weights, c, 7, &view);
  };
  CHECK(run() == GESSO_STATUS_OK);
  told_only({"gesso_module_t.run: unit 7 was entered and not left when it returned"});
}

TEST_CASE_FIXTURE(Bench, "a unit that is left twice is told, and the host is spared") {
  prepare();
  toy.on_run = [&](const gesso_call_t* c, auto) -> gesso_status_t {
    const auto& service = toy.weights_service();
    gesso_unit_view_t view{};
    service.enter(toy.weights, c, 7, &view);
    service.leave(toy.weights, 7);
    service.leave(toy.weights, 7);
    return GESSO_STATUS_OK;
  };
  run();
  CHECK(entered == 0);
  told_only({"gesso_weights_service_t.leave: unit 7 is not entered"});
}

TEST_CASE_FIXTURE(Bench, "siblings are looked for inside of calls only") {
  const auto& service = *static_cast<const gesso_components_service_t*>(
      toy.host->get_service(toy.host, GESSO_COMPONENTS_ID));
  gesso_component_t* found = nullptr;
  CHECK(service.find(toy.host, "codec", &found, nullptr) == GESSO_STATUS_BAD_STATE);
  told_only({"gesso_components_service_t.find: called outside of a call of the component"});
}

TEST_CASE_FIXTURE(Bench, "tensors cross without a copy, and are released once") {
  prepare();
  Tensor input = pair();
  const gesso_item_t item{0, 0, input.get()};
  inputs = {sizeof inputs, 1, &item};
  Receiver receiver;
  void* made = nullptr;
  toy.on_run = [&](auto, const gesso_run_t* run) {
    CHECK(run->inputs->items[0].tensor->dl_tensor.data == input.dl().data);
    Tensor result = pair();
    made = result.dl().data;
    return give(run, result.release());
  };
  CHECK(run(&receiver.sink) == GESSO_STATUS_OK);
  REQUIRE(receiver.got.size() == 1);
  CHECK(receiver.got[0]->dl_tensor.data == made);
  receiver.got[0]->deleter(receiver.got[0]);
  CHECK(told.empty());
  receiver.got[0]->deleter(receiver.got[0]);
  told_only({"a tensor that it gave was released twice (R5)"});
}

TEST_CASE_FIXTURE(Bench, "a borrowed tensor that is released is told, and lives") {
  prepare();
  Tensor input = pair();
  const gesso_item_t item{0, 0, input.get()};
  inputs = {sizeof inputs, 1, &item};
  toy.on_run = [](auto, const gesso_run_t* run) -> gesso_status_t {
    gesso_tensor_t* tensor = run->inputs->items[0].tensor;
    tensor->deleter(tensor);
    return GESSO_STATUS_OK;
  };
  run();
  told_only({"released a tensor that it only borrowed (R5)"});
}

TEST_CASE_FIXTURE(Bench, "tensors that nobody releases are told at the end") {
  prepare();
  Receiver receiver;
  toy.on_run = [](auto, const gesso_run_t* run) { return give(run, pair().release()); };
  run(&receiver.sink);
  destroy();
  watcher->finish();
  told_only({"1 of the tensors that it gave were never released"});
  receiver.got[0]->deleter(receiver.got[0]);
}

TEST_CASE_FIXTURE(Bench, "who knows of cancel and returns OK is told, and the call is cancelled") {
  prepare();
  is_cancelled = true;
  toy.on_run = [](const gesso_call_t* c, auto) -> gesso_status_t {
    c->cancelled(c);
    return GESSO_STATUS_OK;
  };
  CHECK(run() == GESSO_STATUS_CANCELLED);
  told_only({"gesso_module_t.run: was cancelled, knew it, and returned OK (R11)"});
}

TEST_CASE_FIXTURE(Bench, "who never asks for cancel is told") {
  prepare();
  CHECK(run() == GESSO_STATUS_OK);
  CHECK(told.empty());
  is_cancelled = true;
  CHECK(run() == GESSO_STATUS_OK);
  told_only({"gesso_module_t.run: was cancelled and never asked (R11)"});
}

TEST_CASE_FIXTURE(Bench, "writing behind a struct, an array and a text is told") {
  prepare();
  SUBCASE("struct") {
    toy.on_estimate = [](gesso_estimate_t* out) {
      reinterpret_cast<char*>(out)[out->struct_size] = 1;
    };
    gesso_estimate_t out{sizeof out, 0, 0, 0};
    interface<gesso_module_t>(GESSO_MODULE_ID).estimate(component->self, &call, nullptr, &out);
    told_only({"gesso_module_t.estimate: wrote behind the struct_size of its result (R2)"});
  }
  SUBCASE("array") {
    toy.on_evals = [](gesso_eval_t* evals) { evals[0].sigma = 1, evals[2].sigma = 2; };
    gesso_eval_t evals[2] = {};
    uint32_t count = 0;
    const auto& scheduler = interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
    scheduler.plan(component->self, &call, nullptr, evals, 2, &count);
    CHECK(evals[0].sigma == 1);
    told_only({"gesso_scheduler_t.plan: wrote behind the end of the array"});
  }
  SUBCASE("text") {
    toy.on_encode = [](gesso_error_t* error) { error->text[error->capacity] = 'x'; };
    char room[4] = "";
    gesso_error_t error = GESSO_ERROR_INIT(room, sizeof room);
    const auto& tokenizer = interface<gesso_tokenizer_t>(GESSO_TOKENIZER_ID);
    tokenizer.encode(component->self, "", 0, nullptr, 0, nullptr, &error);
    told_only({"gesso_tokenizer_t.encode: wrote behind the capacity of the error's text"});
  }
}
