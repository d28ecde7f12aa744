#include "validate/subject.hpp"

#include <algorithm>
#include <random>

#include "engine/registry/json_values.hpp"
#include "gesso/service/random.h"
#include "validate/check.hpp"

namespace gesso::validate {
namespace {

gesso_status_t GESSO_CALL normal(uint64_t seed, DLTensor* out, gesso_error_t* error) {
  return guard(error, [&] {
    std::mt19937_64 engine(seed);
    std::normal_distribution<float> distribution;
    for (float& x : elements<float>(*out)) x = distribution(engine);
  });
}

/// A value that the parameter's type does not allow.
void add_wrong(ValueList& values, const registry::Param& param) {
  if (param.type == GESSO_VALUE_TEXT || param.type == GESSO_VALUE_TEXTS) {
    values.set_reals(param.key, {0.5, 0.25});
  } else {
    values.set_text(param.key, "not what it should be");
  }
}

}  // namespace

Trial::Trial() {
  call_ = {};
  call_.struct_size = sizeof call_;
  call_.flags = GESSO_CALL_DETERMINISTIC;
  call_.data = this;
  call_.device = {kDLCPU, 0};
  call_.error = &text_.error;
  call_.cancelled = [](const gesso_call_t* call) -> int32_t {
    auto& trial = *static_cast<Trial*>(call->data);
    ++trial.polled;
    return trial.cancel;
  };
  call_.progress = [](const gesso_call_t*, uint64_t, uint64_t, const char*) {};
}

std::shared_ptr<const weights::MappedWeights> open_weights(const registry::ComponentInfo& info,
                                                           const Sample& sample) {
  if (sample.weights.empty()) return nullptr;
  const auto set = weights::WeightSet::open(sample.weights);
  return std::make_shared<weights::MappedWeights>(
      info.pattern ? weights::MappedWeights::open(set, *info.pattern)
                   : weights::MappedWeights::as_stored(set));
}

Subject::Subject(const gesso_plugin_t& plugin, const registry::ComponentInfo& info,
                 const Sample& sample, const SubjectOptions& options)
    : info_(info), sample_(sample), options_(options), stand_ins_(sample.features) {
  host_ = {sizeof host_, GESSO_ABI_MINOR, this, "gesso validate", "0", keep_log, get_service};
  if (!options_.without_weights) {
    if (auto files = open_weights(info, sample)) {
      weights_ = std::make_unique<gesso_weights>(std::move(files));
      weights_->hidden = options_.hidden_weight;
    }
  }
  ErrorText error;
  const gesso_status_t status =
      plugin.create(&plugin, &host_, info.id.c_str(), &component_, &error.error);
  expect(status == GESSO_STATUS_OK, "create(\"{}\") failed with status {}: {}", info.id, status,
         error.text());
  expect(component_ != nullptr, "create(\"{}\") succeeded, but gave no component", info.id);
  const bool whole = GESSO_HAS(gesso_component_t, component_, destroy) && component_->prepare &&
                     component_->get_interface;
  if (!whole) {
    component_ = nullptr;
    fail("the table of \"{}\" lacks prepare, get_interface or destroy", info.id);
  }
}

Subject::~Subject() { destroy(); }

void Subject::destroy() {
  if (component_) component_->destroy(component_->self);
  component_ = nullptr;
}

gesso_status_t Subject::prepare(std::string* text) {
  nlohmann::json given = sample_.values;
  if (given.is_object()) given.erase(options_.wrong_value);
  ValueList values = registry::values_from_json(given);
  for (const registry::Param& param : info_.params) {
    if (param.key == options_.wrong_value) add_wrong(values, param);
  }
  values.set_text("numerics", "precise").set_text("dtype", "f32");
  registry::add_values(values, sample_.config, "config.");
  const gesso_setup_t setup{sizeof(gesso_setup_t), values.size(), values.data(), weights_.get()};
  Trial trial;
  const gesso_status_t status = component_->prepare(component_->self, trial.get(), &setup);
  if (text) *text = trial.text();
  if (weights_) weights_->declaring = false;
  return status;
}

Subject& Subject::ready() {
  std::string text;
  const gesso_status_t status = prepare(&text);
  expect(status == GESSO_STATUS_OK, "prepare failed with status {}: {}", status, text);
  return *this;
}

const Subject& Subject::of(const gesso_host_t* host) {
  return *static_cast<const Subject*>(host->data);
}

void Subject::keep_log(const gesso_host_t* host, int32_t, const char* text) {
  static_cast<Subject*>(host->data)->log_.emplace_back(text ? text : "");
}

const void* Subject::get_service(const gesso_host_t* host, const char* id) {
  static const gesso_components_service_t components{sizeof(gesso_components_service_t), 0,
                                                     find_sibling};
  static const gesso_random_service_t random{sizeof(gesso_random_service_t), 0, normal};
  const std::string_view wanted = id ? id : "";
  if (of(host).options_.without_services) return nullptr;
  if (wanted == GESSO_WEIGHTS_ID) return &gesso_weights::service();
  if (wanted == GESSO_COMPONENTS_ID) return &components;
  if (wanted == GESSO_RANDOM_ID) return &random;
  return nullptr;
}

gesso_status_t Subject::find_sibling(const gesso_host_t* host, const char* role,
                                     gesso_component_t** out, gesso_error_t* error) {
  return guard(error, [&] {
    const Subject& subject = of(host);
    *out = subject.options_.without_siblings ? nullptr : subject.stand_ins_.find(role ? role : "");
    if (!*out) throw Error(Status::NotFound, fmt::format("no sibling \"{}\"", role ? role : ""));
  });
}

}  // namespace gesso::validate
