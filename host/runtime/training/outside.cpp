#include "runtime/training/outside.hpp"

#include <fmt/format.h>

#include "gesso/ext/injection.h"
#include "gesso/kind/delta_generator.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"

namespace gesso::runtime {

ControlRun::ControlRun(const Instance& controller, const Instance& denoiser, const CallScope& call,
                       const at::Tensor& context, double scale, int32_t checkpoint,
                       const gesso_grad_sink_t* weights)
    : controller_(controller),
      table_(controller.interface<gesso_control_training_t>(GESSO_CONTROL_TRAINING_ID)) {
  const gesso_point_t* const* points = nullptr;
  uint32_t n_points = 0;
  ErrorText error;
  gesso::check(denoiser.interface<gesso_injection_t>(GESSO_INJECTION_ID)
                   .points(denoiser.self(), &points, &n_points, &error.error),
               error, denoiser.plan().info->id);
  const Lent lent(context);
  check_call(table_.open(controller.self(), call.get(), lent.get(), scale, points, n_points,
                         checkpoint, weights, &injector_),
             call.get());
}

ControlRun::~ControlRun() { table_.close(controller_.self(), injector_); }

GeneratedUpdates::GeneratedUpdates(const Instance& generator, const Instance& denoiser)
    : generator_(generator), weights_(*denoiser.weights()) {
  const auto& table = generator.interface<gesso_delta_generator_t>(GESSO_DELTA_GENERATOR_ID);
  const gesso_target_t* targets = nullptr;
  uint64_t count = 0;
  ErrorText error;
  gesso::check(table.targets(generator.self(), &targets, &count, &error.error), error,
               generator.plan().info->id);
  std::map<std::string, size_t> places;
  for (const DeltaTarget& target : weights_.targets()) places.emplace(target.name, places.size());
  for (uint64_t i = 0; i < count; ++i) {
    const auto found = places.find(targets[i].name);
    if (found == places.end()) {
      throw Error(Status::Incompatible,
                  fmt::format("{} has no weight \"{}\"; is the generator of another model?",
                              denoiser.plan().info->id, targets[i].name));
    }
    targets_.push_back(found->second);
  }
  sink_ = {sizeof(gesso_grad_sink_t), 0, this,
           [](const gesso_grad_sink_t* sink, uint32_t, uint32_t, uint32_t delta, uint32_t part,
              gesso_tensor_t* gradient) {
             Tensor owned(gradient);
             return guard(nullptr, [&] {
               auto& self = *static_cast<GeneratedUpdates*>(sink->data);
               auto& sum = (part == 0 ? self.grads_a_ : self.grads_b_).at(delta);
               const at::Tensor grad = torch::adopt(std::move(owned));
               sum = sum.defined() ? sum.add(grad) : grad;
             });
           }};
}

GeneratedUpdates::~GeneratedUpdates() {
  for (const size_t target : targets_) weights_.set_trained_deltas(target, {});
}

void GeneratedUpdates::forward(const CallScope& call, const std::vector<at::Tensor>& features,
                               int32_t checkpoint) {
  run_ = std::make_unique<TapedRun>(generator_, GESSO_OP_GENERATE);
  run_->feed(GESSO_PORT_FEATURES, features);
  auto made = run_->forward(call, {}, checkpoint);
  const std::string& who = generator_.plan().info->id;
  const auto a = take(made, GESSO_PORT_A, targets_.size(), who);
  const auto b = take(made, GESSO_PORT_B, targets_.size(), who);
  grads_a_.assign(targets_.size(), {});
  grads_b_.assign(targets_.size(), {});
  for (size_t i = 0; i < targets_.size(); ++i) {
    WeightDelta delta;
    delta.a = a[i];
    delta.b = b[i];
    delta.id = static_cast<uint32_t>(i);
    delta.trainable = true;
    weights_.set_trained_deltas(targets_[i], {std::move(delta)});
  }
}

void GeneratedUpdates::backward(const CallScope& call, const gesso_grad_sink_t* generator_weights) {
  run_->backward(call, {{GESSO_PORT_A, grads_a_}, {GESSO_PORT_B, grads_b_}}, generator_weights);
  run_.reset();
}

}  // namespace gesso::runtime
