#include "toy.hpp"

namespace gesso::test {
namespace {

gesso_status_t GESSO_CALL run(void*, const gesso_call_t* call, const gesso_run_t* run) {
  return Toy::now->on_run ? Toy::now->on_run(call, run) : GESSO_STATUS_OK;
}
gesso_status_t GESSO_CALL estimate(void*, const gesso_call_t*, const gesso_run_t*,
                                   gesso_estimate_t* out) {
  if (Toy::now->on_estimate) Toy::now->on_estimate(out);
  return GESSO_STATUS_OK;
}
const gesso_module_t kModule{sizeof(gesso_module_t), 0, nullptr, run, estimate};

gesso_status_t GESSO_CALL plan(void*, const gesso_call_t*, const gesso_schedule_request_t*,
                               gesso_eval_t* evals, uint32_t, uint32_t*) {
  if (Toy::now->on_evals) Toy::now->on_evals(evals);
  return GESSO_STATUS_OK;
}
const gesso_scheduler_t kScheduler{sizeof(gesso_scheduler_t), GESSO_PREDICTION_VELOCITY, plan,
                                   nullptr};

gesso_status_t GESSO_CALL encode(void*, const char*, uint64_t, int32_t*, uint64_t, uint64_t*,
                                 gesso_error_t* error) {
  if (Toy::now->on_encode) Toy::now->on_encode(error);
  return GESSO_STATUS_OK;
}
const gesso_tokenizer_t kTokenizer{sizeof(gesso_tokenizer_t), 0, encode, nullptr, nullptr, nullptr};

int tape;
gesso_status_t GESSO_CALL forward(void*, const gesso_call_t*, const gesso_run_t*,
                                  const gesso_train_t*, void** out) {
  *out = &tape;
  return GESSO_STATUS_OK;
}
gesso_status_t GESSO_CALL backward(void*, const gesso_call_t*, void*, const gesso_bundle_t*,
                                   const gesso_sink_t*, const gesso_grad_sink_t*) {
  return GESSO_STATUS_OK;
}
void GESSO_CALL tape_release(void*, void*) {
  if (Toy::now->on_tape_release) Toy::now->on_tape_release();
}
const gesso_training_t kTraining{sizeof(gesso_training_t),
                                 GESSO_CHECKPOINT_NONE,
                                 forward,
                                 backward,
                                 [](void*, const void*) -> uint64_t { return 64; },
                                 tape_release};

gesso_status_t GESSO_CALL at(const gesso_injector_t* injector, const gesso_call_t*, uint32_t,
                             const gesso_bundle_t*, const gesso_sink_t*) {
  return Toy::now->on_at ? Toy::now->on_at(injector) : GESSO_STATUS_OK;
}
const gesso_injector_t kInjector{sizeof(gesso_injector_t), 0, nullptr, nullptr, at, nullptr};
gesso_status_t GESSO_CALL open(void*, const gesso_call_t*, gesso_tensor_t*, double,
                               const gesso_point_t* const*, uint64_t,
                               const gesso_injector_t** out) {
  *out = &kInjector;
  return GESSO_STATUS_OK;
}
const gesso_controller_t kController{
    sizeof(gesso_controller_t), 0, open,
    [](void*, const gesso_injector_t* injector) { CHECK(injector == &kInjector); }};

const int kForeign = 0;

int self;
gesso_status_t GESSO_CALL prepare(void* given, const gesso_call_t* call,
                                  const gesso_setup_t* setup) {
  CHECK(given == &self);
  Toy::now->weights = setup->weights;
  return Toy::now->on_prepare ? Toy::now->on_prepare(call) : GESSO_STATUS_OK;
}
const void* GESSO_CALL get_interface(void*, const char* name) {
  const std::string_view id(name);
  if (id == GESSO_MODULE_ID) return &kModule;
  if (id == GESSO_SCHEDULER_ID) return &kScheduler;
  if (id == GESSO_TOKENIZER_ID) return &kTokenizer;
  if (id == GESSO_TRAINING_ID) return &kTraining;
  if (id == GESSO_CONTROLLER_ID) return &kController;
  if (id == "org.test.foreign/1") return &kForeign;
  return nullptr;
}
void GESSO_CALL destroy(void*) { ++Toy::now->destroyed; }
gesso_component_t table{
    sizeof(gesso_component_t), 0, &self, nullptr, prepare, get_interface, destroy};

// The host.
Bench& of(const gesso_host_t* host) { return *static_cast<Bench*>(host->data); }
Bench& of(gesso_weights_t* weights) { return *reinterpret_cast<Bench*>(weights); }

const gesso_weights_service_t kWeights{
    sizeof(gesso_weights_service_t),
    0,
    [](gesso_weights_t*, const char*, DLTensor*, gesso_error_t*) -> gesso_status_t {
      return GESSO_STATUS_NOT_FOUND;
    },
    [](gesso_weights_t*, const char*, const gesso_weight_request_t* const*, uint32_t, uint32_t*,
       gesso_error_t*) -> gesso_status_t { return GESSO_STATUS_OK; },
    [](gesso_weights_t* weights, const gesso_call_t*, uint32_t,
       gesso_unit_view_t*) -> gesso_status_t {
      ++of(weights).entered;
      return GESSO_STATUS_OK;
    },
    [](gesso_weights_t* weights, uint32_t) { --of(weights).entered; },
    [](gesso_weights_t*, uint32_t) {}};
const gesso_components_service_t kComponents{
    sizeof(gesso_components_service_t), 0,
    [](const gesso_host_t* host, const char*, gesso_component_t** out,
       gesso_error_t*) -> gesso_status_t {
      *out = of(host).component;
      return GESSO_STATUS_OK;
    }};

const void* GESSO_CALL get_service(const gesso_host_t*, const char* name) {
  const std::string_view id(name);
  if (id == GESSO_WEIGHTS_ID) return &kWeights;
  if (id == GESSO_COMPONENTS_ID) return &kComponents;
  return nullptr;
}

}  // namespace

gesso_component_t* Toy::create(const gesso_host_t* host) {
  now->host = host;
  return &table;
}

Bench::Bench() {
  host_ = {sizeof(gesso_host_t),
           GESSO_ABI_MINOR,
           this,
           "test",
           "0",
           [](const gesso_host_t* host, int32_t, const char*) { ++of(host).logged; },
           get_service};
  watcher = std::make_shared<checking::Watcher>([this](int32_t level, const std::string& line) {
    if (level == GESSO_LOG_ERROR) told.push_back(line);
  });
  call.struct_size = sizeof call;
  call.data = this;
  call.error = &text.error;
  call.cancelled = [](const gesso_call_t* c) -> int32_t {
    return static_cast<Bench*>(c->data)->is_cancelled;
  };
  component = checking::watch(watcher, "org.test.toy", "org.test.toy.all", host_, Toy::create);
}

Bench::~Bench() {
  if (!is_destroyed_) destroy();
  watcher->finish();
}

void Bench::destroy() {
  is_destroyed_ = true;
  component->destroy(component->self);
}

gesso_status_t Bench::prepare() {
  const gesso_setup_t setup{sizeof setup, 0, nullptr, reinterpret_cast<gesso_weights_t*>(this)};
  return component->prepare(component->self, &call, &setup);
}

gesso_status_t Bench::run(const gesso_sink_t* sink) {
  const gesso_run_t run{sizeof run, 0, &inputs, sink, nullptr, 0, nullptr, 0};
  return interface<gesso_module_t>(GESSO_MODULE_ID).run(component->self, &call, &run);
}

void Bench::told_only(const std::vector<std::string>& words) {
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("plugin org.test.toy, component org.test.toy.all") != std::string::npos);
  for (const std::string& word : words) {
    CAPTURE(told[0]);
    CAPTURE(word);
    CHECK(told[0].find(word) != std::string::npos);
  }
}

}  // namespace gesso::test
