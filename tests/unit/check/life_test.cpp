// The life of a component, of what it opens, and of what it is given.
#include "toy.hpp"

using namespace gesso;
using namespace gesso::test;

TEST_CASE_FIXTURE(Bench, "who keeps the rules hears nothing, and is counted") {
  CHECK(prepare() == GESSO_STATUS_OK);
  toy.on_run = [&](const gesso_call_t* c, const gesso_run_t*) -> gesso_status_t {
    c->cancelled(c);
    const auto& service = toy.weights_service();
    gesso_unit_view_t view{};
    CHECK(service.enter(toy.weights, c, 3, &view) == GESSO_STATUS_OK);
    CHECK(entered == 1);
    service.leave(toy.weights, 3);
    toy.host->log(toy.host, GESSO_LOG_INFO, "ran");
    return GESSO_STATUS_OK;
  };
  CHECK(run() == GESSO_STATUS_OK);
  CHECK(logged == 1);
  destroy();
  watcher->finish();
  CHECK(told.empty());
  CHECK(toy.destroyed == 1);
  CHECK(watcher->calls() > 5);
}

TEST_CASE_FIXTURE(Bench, "an operation before prepare is refused") {
  bool ran = false;
  toy.on_run = [&](auto, auto) -> gesso_status_t {
    ran = true;
    return GESSO_STATUS_OK;
  };
  CHECK(run() == GESSO_STATUS_BAD_STATE);
  CHECK_FALSE(ran);
  CHECK(text.text() == "GESSO_CHECK: gesso_module_t.run: called before prepare was done");
  told_only({"gesso_module_t.run: called before prepare was done [instance & ready]"});
}

TEST_CASE_FIXTURE(Bench, "a second prepare is refused") {
  CHECK(prepare() == GESSO_STATUS_OK);
  CHECK(prepare() == GESSO_STATUS_BAD_STATE);
  told_only({"gesso_component_t.prepare: called a second time [instance & created]"});
}

TEST_CASE_FIXTURE(Bench, "after a prepare that failed only destroy may follow") {
  toy.on_prepare = [](auto) -> gesso_status_t { return GESSO_STATUS_BAD_DATA; };
  CHECK(prepare() == GESSO_STATUS_BAD_DATA);
  CHECK(run() == GESSO_STATUS_BAD_STATE);
  told_only({"gesso_module_t.run: called after a prepare that failed"});
}

TEST_CASE_FIXTURE(Bench, "a use after destroy is refused, and a second destroy") {
  prepare();
  const auto& module = interface<gesso_module_t>(GESSO_MODULE_ID);
  destroy();
  const gesso_run_t nothing{sizeof nothing, 0, &inputs, nullptr, nullptr, 0, nullptr, 0};
  CHECK(module.run(component->self, &call, &nothing) == GESSO_STATUS_BAD_STATE);
  told_only({"gesso_module_t.run: called after destroy"});
  component->destroy(component->self);
  CHECK(toy.destroyed == 1);
  CHECK(told.size() == 2);
  CHECK(component->get_interface(component->self, GESSO_MODULE_ID) == nullptr);
  CHECK(told.size() == 3);
}

TEST_CASE_FIXTURE(Bench, "who speaks to the host after destroy is told") {
  destroy();
  toy.host->log(toy.host, GESSO_LOG_INFO, "still here");
  CHECK(logged == 0);
  told_only({"gesso_host_t.log: called after the component was destroyed [thread-safe]"});
}

TEST_CASE_FIXTURE(Bench, "a component that is never destroyed is told at the end") {
  watcher->finish();
  told_only({"created and never destroyed"});
}

TEST_CASE_FIXTURE(Bench, "a tape that is never released is told") {
  prepare();
  void* tape = nullptr;
  const auto& training = interface<gesso_training_t>(GESSO_TRAINING_ID);
  CHECK(training.forward(component->self, &call, nullptr, nullptr, &tape) == GESSO_STATUS_OK);
  CHECK(training.tape_bytes(component->self, tape) == 64);
  destroy();
  told_only(
      {"gesso_component_t.destroy: gesso_training_t.forward gave something that tape_release "
       "did not end (1 in all)"});
}

TEST_CASE_FIXTURE(Bench, "a tape that is released twice, or used afterwards, is refused") {
  prepare();
  void* tape = nullptr;
  int released = 0;
  toy.on_tape_release = [&] { ++released; };
  const auto& training = interface<gesso_training_t>(GESSO_TRAINING_ID);
  training.forward(component->self, &call, nullptr, nullptr, &tape);
  training.tape_release(component->self, tape);
  CHECK(told.empty());
  training.tape_release(component->self, tape);
  CHECK(released == 1);
  told_only({"gesso_training_t.tape_release: got something that is not open"});
  CHECK(training.backward(component->self, &call, tape, nullptr, nullptr, nullptr) ==
        GESSO_STATUS_BAD_STATE);
}

TEST_CASE_FIXTURE(Bench, "an injector is used until close") {
  prepare();
  const auto& controller = interface<gesso_controller_t>(GESSO_CONTROLLER_ID);
  const gesso_injector_t* injector = nullptr;
  int reached = 0;
  toy.on_at = [&](const gesso_injector_t*) -> gesso_status_t {
    ++reached;
    return GESSO_STATUS_OK;
  };
  controller.open(component->self, &call, nullptr, 1, nullptr, 0, &injector);
  CHECK(injector->at(injector, &call, 0, nullptr, nullptr) == GESSO_STATUS_OK);
  controller.close(component->self, injector);
  CHECK(told.empty());
  CHECK(injector->at(injector, &call, 0, nullptr, nullptr) == GESSO_STATUS_BAD_STATE);
  CHECK(reached == 1);
  told_only({"gesso_injector_t.at: used after close"});
}

TEST_CASE_FIXTURE(Bench, "an interface that is not known is hidden") {
  CHECK(component->get_interface(component->self, "org.test.foreign/1") == nullptr);
  CHECK(component->get_interface(component->self, "org.test.absent/1") == nullptr);
  CHECK(told.empty());
}
