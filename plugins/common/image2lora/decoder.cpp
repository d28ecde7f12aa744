#include "image2lora/decoder.hpp"

#include <ATen/ops/mm.h>
#include <ATen/ops/stack.h>

namespace gesso::image2lora {

void Decoder::add_unit(const Weights& weights, const std::vector<nn::WeightSpec>& specs,
                       int64_t out_features, int64_t in_features) {
  names_.reserve(targets_.size());  // `shown_` points into it
  names_.push_back(targets_.at(units_.size()).name());
  shown_.push_back({names_.back().c_str(), out_features, in_features});
  units_.emplace_back(weights, names_.back(), specs);
  for (const nn::WeightSpec& spec : specs) {
    if (spec.shape.size() == 2) {
      weights_per_picture_ += static_cast<uint64_t>(spec.shape[0] * spec.shape[1]);
    }
  }
}

LowRank Decoder::train(const Call&, torch::Leaves&, size_t, const at::Tensor&) {
  throw Error(Status::NotSupported, "this image-to-LoRA model cannot be trained");
}

gesso_estimate_t Decoder::estimate(size_t pictures) const {
  const uint64_t used = pictures_used(pictures);
  gesso_estimate_t total{sizeof(gesso_estimate_t), 0, 0, 2 * used * weights_per_picture_};
  for (const gesso_target_t& target : shown_) {
    const int64_t numbers = rank_ * (target.out_features + target.in_features);
    total.peak_bytes += 4 * used * static_cast<uint64_t>(numbers);
  }
  return total;
}

at::Tensor stack_features(const std::vector<at::Tensor>& features, int64_t size) {
  if (features.empty()) {
    throw Error(Status::InvalidArgument,
                "image-to-LoRA needs the features of one picture at least");
  }
  for (size_t i = 0; i < features.size(); ++i) {
    if (features[i].sizes() == at::IntArrayRef({size})) continue;
    throw Error(Status::InvalidArgument,
                "features " + std::to_string(i) + ": expected [" + std::to_string(size) +
                    "], found " + shape_text(features[i].sizes()) +
                    "; do the image encoders belong to this image-to-LoRA model?");
  }
  return at::stack(features);
}

at::Tensor with_updates(const nn::Weight& weight) {
  at::Tensor whole = weight.data;
  for (const nn::Delta& delta : weight.deltas) {
    const auto type = whole.scalar_type();
    whole = whole.add(at::mm(delta.b.to(type), delta.a.to(type)), delta.scale);
  }
  return whole;
}

}  // namespace gesso::image2lora
