#include "engine/config/recipe_storage.hpp"

#include <algorithm>

#include "engine/base/suggest.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace {

ComponentPlan* component_of(TrainPlan& plan, const std::string& role) {
  for (ComponentPlan& component : plan.pipeline.components) {
    if (component.role == role) return &component;
  }
  return nullptr;
}

/// What one key of [train] says of the models that it names.
class Entries {
 public:
  Entries(const TrainReader& train, std::string key, const std::vector<NamedModel>& models,
          TrainPlan& plan)
      : train_(train), key_(std::move(key)), models_(models), plan_(plan) {}

  /// The component that an entry names, as model_paths or model_id_with_origin_paths have it or by
  /// its own name; null and a problem when there is none.
  ComponentPlan* component(const std::string& written) const {
    std::vector<std::string> names;
    for (const NamedModel& model : models_) {
      if (model.written == written) return component_of(plan_, model.role);
      names.push_back(model.written);
    }
    if (ComponentPlan* found = component_of(plan_, role_of_attribute(written))) return found;
    error(
        fmt::format("\"{}\" is neither a model of model_paths or model_id_with_origin_paths nor a "
                    "component{}",
                    written, base::did_you_mean(written, names)));
    return nullptr;
  }
  /// Keeps the weights of the component in a format.
  void store(const std::string& written, weights::StorageRule rule) const {
    ComponentPlan* found = component(written);
    if (!found) return;
    if (!found->storage.format.empty()) {
      return error(fmt::format("the weights of \"{}\" are to be kept as {} already", found->role,
                               found->storage.format));
    }
    try {
      weights::storage_format(rule.format);
    } catch (const Error& wrong) {
      return error(fmt::format("\"{}\": {}", rule.format, wrong.what()), wrong.status());
    }
    if (weights::computes_in_int8(rule.format)) {
      train_.warn(key_,
                  fmt::format("{}: products of int8 numbers have no gradients; the weights are "
                              "kept so and decoded for each use",
                              rule.format));
      rule.format = weights::name_of(weights::StorageFormat::Int8Row);
    }
    found->storage = std::move(rule);
  }
  void error(const std::string& text, Status status = Status::InvalidArgument) const {
    train_.error(key_, text, status);
  }

 private:
  const TrainReader& train_;
  std::string key_;
  const std::vector<NamedModel>& models_;
  TrainPlan& plan_;
};

/// "entry:method/left,out;entry:method"
void read_quantised(const TrainReader& train, const Entries& entries) {
  const std::string options = train.text("quant_options");
  for (size_t at = 0; at < options.size();) {
    const size_t end = std::min(options.find(';', at), options.size());
    const std::string entry = options.substr(at, end - at);
    at = end + 1;
    if (entry.empty()) continue;
    const size_t colon = entry.rfind(':');
    if (colon == std::string::npos) {
      entries.error(
          fmt::format("\"{}\": expected \"model:method\" or \"model:method/left,out\"", entry));
      continue;
    }
    const std::string method = entry.substr(colon + 1);
    weights::StorageRule rule{method.substr(0, method.find('/')), {}, {}};
    if (rule.format.empty()) continue;
    if (rule.format.size() < method.size()) {
      rule.exclude_modules = split_list(method.substr(rule.format.size() + 1));
    }
    entries.store(entry.substr(0, colon), std::move(rule));
  }
}

/// Models of which only the sizes would be needed: here they are not there at all.
void read_left_out(const TrainReader& train, const Entries& entries, const CheckOptions& options,
                   TrainPlan& plan) {
  for (const std::string& written : train.list("offload_models")) {
    const ComponentPlan* component = entries.component(written);
    if (!component) continue;
    const auto& roles = plan.pipeline.variant->roles;
    const auto role = std::ranges::find(roles, component->role, &registry::Role::name);
    if (role != roles.end() && options.may_lack_files(*role)) {
      plan.absent_roles.push_back(component->role);
      continue;
    }
    entries.error(
        fmt::format("this task computes with \"{}\". Weights that stay on disk until they "
                    "are used are [memory] policy = \"stream\"",
                    component->role));
  }
}

/// What is trained has numbers of its own; what gradients go through must be able to be decoded.
void check_trained(const TrainReader& train, const TrainPlan& plan) {
  for (const ComponentPlan& component : plan.pipeline.components) {
    const std::string& format = component.storage.format;
    if (format.empty()) continue;
    const auto trained = std::ranges::find(plan.trainable, component.role, &TrainablePart::role);
    if (trained != plan.trainable.end()) {
      train.error(
          "trainable_models",
          fmt::format("the weights of {0} are kept as {1} and cannot be trained themselves; "
                      "train a LoRA, or leave {0} out of fp8_models, quant_options and "
                      "storage",
                      trained->attribute, format));
    }
    const std::string& kind = component.info->kind;
    const bool passed = kind == "denoiser" || kind == "controller" ||
                        (plan.lora && plan.lora->role == component.role);
    if (passed && weights::computes_in_int8(format)) {
      train.error("task", fmt::format("the weights of {} are kept as {}, whose products have no "
                                      "gradients; set its storage = \"int8_row\"",
                                      component.role, format));
    }
  }
}

}  // namespace

void read_training_storage(const TrainReader& train, const std::vector<NamedModel>& models,
                           const CheckOptions& options, TrainPlan& plan) {
  const Entries fp8(train, "fp8_models", models, plan);
  for (const std::string& written : train.list("fp8_models")) {
    fp8.store(written, {std::string(weights::name_of(weights::StorageFormat::Fp8E4M3)), {}, {}});
  }
  read_quantised(train, Entries(train, "quant_options", models, plan));
  read_left_out(train, Entries(train, "offload_models", models, plan), options, plan);
  check_trained(train, plan);
}

}  // namespace gesso::config
