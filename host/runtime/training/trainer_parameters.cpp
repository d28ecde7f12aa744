// What is trained: weights, updates of weights, and where they start.
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>

#include "engine/config/adapters.hpp"
#include "gesso/cpp/torch.hpp"
#include "runtime/image2lora.hpp"
#include "runtime/training/first_updates.hpp"
#include "runtime/training/lora_targets.hpp"
#include "runtime/training/tensor_files.hpp"
#include "runtime/training/trainer_detail.hpp"

namespace gesso::runtime {

Parameters* Trainer::parameters_of(const std::string& role) const {
  for (const auto& set : sets_) {
    if (set->instance().role() == role) return set.get();
  }
  return nullptr;
}

void Trainer::choose_parameters() {
  add_preset();
  for (const config::TrainablePart& part : plan_.trainable) train_component(part);
  if (plan_.lora) train_lora();
  for (const auto& set : sets_) set->show(true);
  if (sets_.empty()) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: nothing is trained; name trainable_models or lora_base_model",
                            plan_.name));
  }
  if (!plan_.resume_weights.empty()) start_from_checkpoint();
  if (parameters_of(kGeneratorRole)) {
    generated_ = std::make_unique<GeneratedUpdates>(run_.parts.get(kGeneratorRole),
                                                    run_.parts.get(kDenoiserRole));
  }
  optimization_ = std::make_unique<Optimization>(workers_, sets_, plan_);
  run_.watch.event(info(fmt::format("{} parameters in {} tensors are trained", count_parameters(),
                                    optimization_->parameters().size())));
}

int64_t Trainer::count_parameters() const {
  int64_t count = 0;
  for (const Parameter* parameter : optimization_->parameters()) count += parameter->value.numel();
  return count;
}

void Trainer::train_component(const config::TrainablePart& part) {
  auto set = std::make_unique<Parameters>(run_.parts.get(part.role));
  const auto& all = set->instance().weights()->trainable();
  const std::string prefix = part.part.empty() ? "" : part.part + ".";
  // The whole of a component may itself be the part that the reference names.
  const bool has_part = std::any_of(all.begin(), all.end(), [&](const TrainableWeight& weight) {
    return weight.name.starts_with(prefix);
  });
  set->train_weights(
      [&](const std::string& name) { return !has_part || name.starts_with(prefix); });
  sets_.push_back(std::move(set));
  attributes_.push_back(part.attribute);
}

void Trainer::train_lora() {
  const config::LoraPlan& lora = *plan_.lora;
  if (lora.kind != "lora") return train_whole_updates();
  Instance& instance = run_.parts.get(lora.role);
  const auto targets = instance.weights()->targets();
  const auto chosen = choose_targets(lora.targets, targets);
  const auto first = read_first_updates(run_, lora, chosen, nullptr);
  auto set = std::make_unique<Parameters>(instance);
  auto teacher = std::make_unique<Parameters>(instance);
  for (const size_t target : chosen) {
    const DeltaTarget& t = targets[target];
    at::Tensor a = initial_a(draw(plan_.seed, kLora, target), lora.rank, t.in_features);
    at::Tensor b = at::zeros({t.out_features, lora.rank}, at::kFloat);
    if (const auto found = first.find(target); found != first.end()) {
      a = found->second.a;
      b = found->second.b;
    }
    set->train_lora(target, a, b);
    teacher->train_lora(target, a.clone(), b.clone());
  }
  sets_.push_back(std::move(set));
  attributes_.push_back(lora.attribute);
  if (plan_.loss == config::Loss::TrajectoryImitation) teacher_ = std::move(teacher);
}

/// DoRA, LoKr: updates that the plugin of their form trains.
void Trainer::train_whole_updates() {
  const config::LoraPlan& lora = *plan_.lora;
  Instance& instance = run_.parts.get(lora.role);
  const auto targets = instance.weights()->targets();
  const auto trainer =
      std::make_shared<const DeltaTrainer>(run_.parts, *run_.plan.registry, lora.kind);
  const auto chosen = choose_targets(lora.targets, targets);
  const auto first = read_first_updates(run_, lora, chosen, trainer.get());
  auto set = std::make_unique<Parameters>(instance);
  auto teacher = std::make_unique<Parameters>(instance);
  for (const size_t target : chosen) {
    const DeltaTarget& t = targets[target];
    const auto found = first.find(target);
    if (found == first.end()) {
      const at::Tensor base = instance.weights()->stored(t.unit, t.place);
      set->train_whole(target, trainer,
                       trainer->begin(t, base, lora.rank, draw(plan_.seed, kLora, target)));
      continue;
    }
    set->train_whole(target, trainer, found->second.parts);
    // A new update changes nothing, one of a file belongs to the teacher.
    if (plan_.loss == config::Loss::TrajectoryImitation) {
      teacher->train_whole(target, trainer, found->second.parts);
    }
  }
  sets_.push_back(std::move(set));
  attributes_.push_back(lora.attribute);
  if (!teacher->all().empty()) teacher_ = std::move(teacher);
}

void Trainer::add_preset() {
  if (!plan_.preset_lora) return;
  const config::PresetLora& preset = *plan_.preset_lora;
  auto adapter = config::plan_adapter(
      run_.plan, {{"path", nlohmann::json::array({preset.path.string()})}, {"role", preset.role}});
  adapter.name = "preset_lora";
  adapter.where = preset.where;
  run_.adapters.add(adapter, run_.call);  // refuses when nothing fits
  for (const auto& told : run_.adapters.describe()) {
    if (told.at("name") != adapter.name) continue;
    const auto keys = told.at("keys").get<size_t>(), missed = told.at("unmatched").get<size_t>();
    run_.watch.event(
        info(fmt::format("preset_lora_path: {} of {} keys matched, {} layers are "
                         "updated",
                         keys - missed, keys, told.at("targets").get<size_t>())));
  }
}

/// The values of an earlier checkpoint by their names in it.
void Trainer::start_from_checkpoint() {
  const auto set = weights::WeightSet::open(plan_.resume_weights);
  size_t used = 0;
  for (size_t s = 0; s < sets_.size(); ++s) {
    if (sets_[s]->instance().role() != plan_.resume_role) continue;
    for (Parameter* parameter : sets_[s]->list()) {
      const auto* found = set.find(parameter->name);
      if (!found) {
        found =
            set.find(checkpoint_name(attributes_[s], parameter->name, plan_.remove_prefix_in_ckpt));
      }
      if (!found) continue;
      const at::Tensor value = tensor_of(set.view(*found)).to(at::kFloat);
      if (value.sizes() != parameter->value.sizes()) {
        throw Error(Status::Incompatible,
                    fmt::format("{}: \"{}\" is {}, expected {}; is it another model's?",
                                plan_.resume_weights.string(), found->name,
                                shape_text(value.sizes()), shape_text(parameter->value.sizes())));
      }
      parameter->value.copy_(value);
      ++used;
    }
    sets_[s]->publish();
  }
  if (used == 0 || used != set.tensors().size()) {
    throw Error(Status::Incompatible,
                fmt::format("{}: {} of its {} tensors belong to what is trained",
                            plan_.resume_weights.string(), used, set.tensors().size()));
  }
}

}  // namespace gesso::runtime
