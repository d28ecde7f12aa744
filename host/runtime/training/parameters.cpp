#include "runtime/training/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gesso/cpp/torch.hpp"

namespace gesso::runtime {
namespace {

constexpr uint32_t kPartA = 0, kPartB = 1;

gesso_weights& weights_of(const Instance& instance) {
  if (instance.weights()) return *instance.weights();
  throw Error(Status::NotFound, fmt::format("{}: {} has no weights to train", instance.plan().where,
                                            instance.plan().info->id));
}

}  // namespace

Parameters::Parameters(Instance& instance)
    : instance_(instance),
      weights_(weights_of(instance)),
      sink_{sizeof(gesso_grad_sink_t), 0, this, nullptr} {
  sink_.accept = [](const gesso_grad_sink_t* sink, uint32_t unit, uint32_t weight, uint32_t delta,
                    uint32_t part, gesso_tensor_t* gradient) {
    Tensor owned(gradient);
    return guard(nullptr, [&] {
      static_cast<Parameters*>(sink->data)
          ->receive({unit, weight, delta, part}, torch::borrow(owned.get()));
    });
  };
}

Parameters::~Parameters() { show(false); }

void Parameters::train_weights(const std::function<bool(const std::string&)>& wanted) {
  const at::ScalarType type = torch::scalar_type(dl_type(weights_.compute_type()));
  for (const TrainableWeight& weight : weights_.trainable()) {
    if (!wanted(weight.name)) continue;
    add({weight.unit, weight.place, GESSO_THE_WEIGHT, 0}, weight.name,
        weights_.stored(weight.unit, weight.place));
    Parameter& made = parameters_.back();
    if (type != at::kFloat) made.shown = made.value.to(type);
    trained_weights_.emplace_back(weight, &made);
  }
  if (trained_weights_.empty()) {
    throw Error(Status::NotFound, fmt::format("{}: no weight of {} is named as what shall be "
                                              "trained",
                                              instance_.plan().where, instance_.plan().info->id));
  }
}

void Parameters::train_lora(size_t target, const at::Tensor& a, const at::Tensor& b) {
  const DeltaTarget place = weights_.targets().at(target);
  const auto id = static_cast<uint32_t>(loras_.size());
  const auto wide = [](const at::Tensor& t) { return t.to(at::kFloat).contiguous(); };
  add({place.unit, place.place, id, kPartA}, place.name + ".lora_A.default.weight", wide(a));
  const at::Tensor kept_a = parameters_.back().value;
  add({place.unit, place.place, id, kPartB}, place.name + ".lora_B.default.weight", wide(b));
  loras_.push_back({target, place.name, kept_a, parameters_.back().value});
}

DeltaTrainer::Named Parameters::Whole::update() const {
  DeltaTrainer::Named named;
  for (const Parameter* part : parts) named.emplace_back(part->name, part->value);
  return named;
}

at::Tensor Parameters::base_of(const Whole& whole) const {
  return weights_.stored(whole.target.unit, whole.target.place);
}

void Parameters::train_whole(size_t target, const std::shared_ptr<const DeltaTrainer>& trainer,
                             const DeltaTrainer::Named& update) {
  Whole whole{weights_.targets().at(target), trainer, {}, {}};
  for (const auto& [name, value] : update) {
    parameters_.push_back({name, value.clone(at::MemoryFormat::Contiguous)});
    whole.parts.push_back(&parameters_.back());
  }
  whole.shown = trainer->whole(update, whole.target, base_of(whole))
                    .to(torch::scalar_type(dl_type(weights_.compute_type())));
  const Place place{whole.target.unit, whole.target.place, GESSO_THE_WEIGHT, 0};
  wholes_.emplace(place, std::move(whole));
}

std::vector<Parameter*> Parameters::list() {
  std::vector<Parameter*> pointers;
  for (Parameter& parameter : parameters_) pointers.push_back(&parameter);
  return pointers;
}

void Parameters::show(bool shown) {
  for (const auto& [weight, parameter] : trained_weights_) {
    const at::Tensor& value = parameter->shown.defined() ? parameter->shown : parameter->value;
    weights_.set_value(weight.unit, weight.place, shown ? value : at::Tensor());
  }
  for (const auto& [place, whole] : wholes_) {
    weights_.set_value(whole.target.unit, whole.target.place, shown ? whole.shown : at::Tensor());
  }
  for (size_t i = 0; i < loras_.size(); ++i) {
    std::vector<WeightDelta> deltas;
    if (shown) {
      WeightDelta delta;
      delta.a = loras_[i].a;
      delta.b = loras_[i].b;
      delta.id = static_cast<uint32_t>(i);
      delta.trainable = true;
      deltas.push_back(std::move(delta));
    }
    weights_.set_trained_deltas(loras_[i].target, std::move(deltas));
  }
}

void Parameters::add(const Place& place, std::string name, at::Tensor value) {
  parameters_.push_back({std::move(name), std::move(value)});
  by_place_[place] = &parameters_.back();
}

void Parameters::receive(const Place& place, const at::Tensor& grad) {
  if (const auto whole = wholes_.find(place); whole != wholes_.end()) {
    return receive(whole->second, grad);
  }
  const auto found = by_place_.find(place);
  if (found == by_place_.end()) {
    throw Error(Status::InvalidArgument, "a gradient came of something that is not trained");
  }
  add_gradient(*found->second, grad);
}

void Parameters::receive(const Whole& whole, const at::Tensor& weight_grad) {
  const auto grads = whole.trainer->back(whole.update(), whole.target, base_of(whole),
                                         weight_grad.to(at::kFloat).contiguous());
  for (const auto& [name, grad] : grads) {
    const auto part = std::ranges::find(whole.parts, name, &Parameter::name);
    if (part == whole.parts.end()) {
      throw Error(Status::Internal,
                  fmt::format("a gradient came for \"{}\", which is no part", name));
    }
    add_gradient(**part, grad);
  }
}

void Parameters::add_gradient(Parameter& parameter, const at::Tensor& grad) {
  if (grad.sizes() != parameter.value.sizes()) {
    throw Error(Status::InvalidArgument,
                fmt::format("the gradient of {} is {}, expected {}", parameter.name,
                            shape_text(grad.sizes()), shape_text(parameter.value.sizes())));
  }
  {
    const BoundaryClock::Scope timed(&clock_);
    if (parameter.grad.defined()) {
      parameter.grad.add_(grad);
    } else {
      parameter.grad = grad.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    }
  }
  if (on_gradient) on_gradient(parameter);
}

void Parameters::clear_gradients() {
  for (Parameter& parameter : parameters_) parameter.grad.reset();
}

void Parameters::publish() {
  for (Parameter& parameter : parameters_) {
    if (parameter.shown.defined()) parameter.shown.copy_(parameter.value);
  }
  for (auto& [place, whole] : wholes_) {
    whole.shown.copy_(whole.trainer->whole(whole.update(), whole.target, base_of(whole)));
  }
  weights_.values_changed();
}

}  // namespace gesso::runtime
