#include "nn/weight_unit.hpp"

#include <string_view>

#include "gesso/ext/training.h"

namespace gesso::nn {
namespace {

Delta wrap_delta(const gesso_delta_t& delta) {
  if (delta.form != std::string_view("low_rank") || delta.n_parts != 2) {
    throw Error(Status::NotSupported,
                std::string("expected an update of form low_rank with 2 parts, found ") +
                    delta.form + " with " + std::to_string(delta.n_parts));
  }
  return {torch::borrow(delta.parts[0]), torch::borrow(delta.parts[1]), delta.scale, delta.items};
}

}  // namespace

WeightUnit::WeightUnit(const Weights& weights, const std::string& name,
                       const std::vector<WeightSpec>& specs) {
  static constexpr const char* kInt8[] = {GESSO_ENCODING_INT8_ROW, nullptr};
  std::vector<WeightRequest> requests;
  for (const WeightSpec& spec : specs) {
    WeightRequest request{spec.name, spec.shape, spec.more_flags};
    if (spec.shape.size() == 2 &&
        !(spec.more_flags & (GESSO_WEIGHT_BUFFER | GESSO_WEIGHT_NO_TARGET))) {
      request.flags |= GESSO_WEIGHT_TAKES_DELTAS | GESSO_WEIGHT_DELTAS_PER_ITEM;
    }
    if (spec.int8) request.encodings = kInt8;
    requests.push_back(std::move(request));
  }
  unit_ = weights.declare(name, requests);
}

WeightUnit::Scope::Scope(const Unit& unit, const Call& call, WeightUnit& owner)
    : guard_(unit.enter(call)), weights_(owner.wrapped_) {
  owner.wrap(guard_);
}

WeightUnit::Scope WeightUnit::enter(const Call& call) {
  call.poll();
  return Scope(unit_, call, *this);
}

void WeightUnit::wrap(const Unit::Guard& guard) {
  if (guard.generation() == generation_ && guard.delta_generation() == delta_generation_) return;
  wrapped_.assign(guard.size(), {});
  for (uint32_t i = 0; i < guard.size(); ++i) {
    wrapped_[i].data = torch::weight(guard[i]);
    if (guard[i].encoding == std::string_view(GESSO_ENCODING_INT8_ROW)) {
      wrapped_[i].row_scale = torch::borrow(guard[i].parts[1]);
    }
    for (uint64_t k = 0; k < guard[i].n_deltas; ++k) {
      wrapped_[i].deltas.push_back(wrap_delta(guard[i].deltas[k]));
    }
  }
  generation_ = guard.generation();
  delta_generation_ = guard.delta_generation();
}

}  // namespace gesso::nn
