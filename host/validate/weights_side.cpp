#include "validate/weights_side.hpp"

#include <fmt/format.h>

#include <cstring>
#include <numeric>

#include "gesso/cpp/tensor.hpp"

namespace {

using gesso::Error;
using gesso::Status;
using gesso::Tensor;
using gesso::weights::DType;
using gesso::weights::StoredWeight;

DLDataType dl_type(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return {kDLFloat, 32, 1};
    case DType::F64:
      return {kDLFloat, 64, 1};
    case DType::F16:
      return {kDLFloat, 16, 1};
    case DType::I64:
      return {kDLInt, 64, 1};
    case DType::I32:
      return {kDLInt, 32, 1};
    case DType::U8:
      return {kDLUInt, 8, 1};
    default:
      return {kDLBfloat, 16, 1};
  }
}

/// The type in which a request is served: what it asks for, else float32.
DType served_type(const gesso_weight_request_t& request, const StoredWeight& stored) {
  const DLDataType& wanted = request.dtype;
  if (wanted.bits == 0 || (wanted.code == kDLFloat && wanted.bits == 32)) return DType::F32;
  if (wanted.code == kDLBfloat) return DType::BF16;
  if (wanted.code == kDLFloat && wanted.bits == 16) return DType::F16;
  return stored.data().dtype;
}

bool fits(std::span<const int64_t> wanted, std::span<const int64_t> found) {
  if (wanted.size() != found.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i] != -1 && wanted[i] != found[i]) return false;
  return true;
}

uint64_t sum_of(const Tensor& tensor, size_t bytes) {
  const auto* data = static_cast<const unsigned char*>(tensor.dl().data);
  return std::accumulate(
      data, data + bytes, uint64_t{14695981039346656037u},
      [](uint64_t hash, unsigned char byte) { return (hash ^ byte) * uint64_t{1099511628211u}; });
}

}  // namespace

struct gesso_weights::Unit {
  struct Weight {
    std::string name;
    std::optional<StoredWeight> stored;  // none: optional and absent
    DType dtype = DType::F32;
    Tensor shown = {};
    gesso_tensor_t* part = nullptr;
    size_t bytes = 0;
    uint64_t sum = 0;
  };
  std::string name;
  std::vector<Weight> weights;
  std::vector<gesso_weight_view_t> views;
  uint64_t generation = 0;
  uint32_t depth = 0;
};

gesso_weights::gesso_weights(std::shared_ptr<const gesso::weights::MappedWeights> files)
    : files_(std::move(files)) {}
gesso_weights::~gesso_weights() = default;

const gesso_weights_service_t& gesso_weights::service() {
  static const gesso_weights_service_t table{
      sizeof(gesso_weights_service_t), 0, describe, declare, enter, leave, prefetch};
  return table;
}

std::optional<StoredWeight> gesso_weights::find(const std::string& name) const {
  if (name == hidden) return std::nullopt;
  return files_->find(name);
}

gesso_status_t gesso_weights::describe(gesso_weights_t* self, const char* name, DLTensor* meta,
                                       gesso_error_t* error) {
  return gesso::guard(error, [&] {
    const auto stored = self->find(name ? name : "");
    if (!stored) throw Error(Status::NotFound, fmt::format("no weight \"{}\"", name ? name : ""));
    self->shapes_.push_back(std::make_unique<std::vector<int64_t>>(stored->shape));
    *meta = {};
    meta->device = {kDLCPU, 0};
    meta->ndim = static_cast<int32_t>(stored->shape.size());
    meta->shape = self->shapes_.back()->data();
    meta->dtype = dl_type(stored->data().dtype);
  });
}

gesso_status_t gesso_weights::declare(gesso_weights_t* self, const char* unit,
                                      const gesso_weight_request_t* const* requests, uint32_t count,
                                      uint32_t* unit_id, gesso_error_t* error) {
  return gesso::guard(error, [&] {
    if (!self->declaring) self->misuse.push_back(fmt::format("declared \"{}\" in a run", unit));
    auto made = std::make_unique<Unit>();
    made->name = unit ? unit : "";
    for (uint32_t i = 0; i < count; ++i) {
      const gesso_weight_request_t& request = *requests[i];
      Unit::Weight weight{.name = request.name, .stored = self->find(request.name)};
      if (!weight.stored && !(request.flags & GESSO_WEIGHT_OPTIONAL)) {
        throw Error(Status::NotFound, fmt::format("weight \"{}\" is missing", request.name));
      }
      if (weight.stored) {
        const std::span<const int64_t> wanted(request.shape, static_cast<size_t>(request.ndim));
        if (!fits(wanted, weight.stored->shape)) {
          throw Error(Status::Incompatible, fmt::format("weight \"{}\": expected {}, found {}",
                                                        request.name, gesso::shape_text(wanted),
                                                        gesso::shape_text(weight.stored->shape)));
        }
        weight.dtype = served_type(request, *weight.stored);
        if (!(request.flags & GESSO_WEIGHT_OPTIONAL)) self->declared.push_back(request.name);
      }
      made->weights.push_back(std::move(weight));
    }
    *unit_id = static_cast<uint32_t>(self->units_.size());
    self->units_.push_back(std::move(made));
  });
}

void gesso_weights::fill(Unit& unit) {
  unit.views.clear();
  for (Unit::Weight& weight : unit.weights) {
    gesso_weight_view_t view{};
    view.encoding = GESSO_ENCODING_PLAIN;
    if (weight.stored) {
      weight.shown = Tensor::empty(dl_type(weight.dtype), weight.stored->shape);
      const auto decoded = gesso::weights::decode(*weight.stored, weight.dtype, 1);
      std::memcpy(weight.shown.dl().data, decoded.bytes.data(), decoded.bytes.size());
      weight.bytes = decoded.bytes.size();
      weight.sum = sum_of(weight.shown, weight.bytes);
      weight.part = weight.shown.get();
      view.n_parts = 1;
      view.parts = &weight.part;
    }
    unit.views.push_back(view);
  }
  ++unit.generation;
}

gesso_status_t gesso_weights::enter(gesso_weights_t* self, const gesso_call_t* call, uint32_t id,
                                    gesso_unit_view_t* view) {
  return gesso::guard(call ? call->error : nullptr, [&] {
    if (id >= self->units_.size()) {
      self->misuse.push_back(fmt::format("entered unit {}, which was never declared", id));
      throw Error(Status::InvalidArgument, "no such unit");
    }
    if (self->refuses) throw Error(Status::OutOfMemory, "the unit does not fit");
    Unit& unit = *self->units_[id];
    if (unit.generation == 0 || (self->moves && unit.depth == 0)) self->fill(unit);
    ++unit.depth;
    ++self->entered;
    view->count = static_cast<uint32_t>(unit.views.size());
    view->generation = unit.generation;
    view->delta_generation = 1;
    view->weights = unit.views.data();
  });
}

void gesso_weights::leave(gesso_weights_t* self, uint32_t id) {
  if (id >= self->units_.size() || self->units_[id]->depth == 0) {
    self->misuse.push_back(fmt::format("left unit {}, which was not entered", id));
    return;
  }
  Unit& unit = *self->units_[id];
  ++self->left;
  if (--unit.depth != 0 || !self->moves) return;
  for (Unit::Weight& weight : unit.weights) {  // whoever looks now sees no numbers
    if (!weight.shown) continue;
    if (sum_of(weight.shown, weight.bytes) != weight.sum) self->written_ = true;
    std::memset(weight.shown.dl().data, 0xFF, weight.bytes);
    weight.sum = sum_of(weight.shown, weight.bytes);
  }
}

void gesso_weights::prefetch(gesso_weights_t* self, uint32_t id) {
  if (id >= self->units_.size()) {
    self->misuse.push_back(fmt::format("prefetched unit {}, which was never declared", id));
  }
}

uint32_t gesso_weights::open_units() const {
  uint32_t open = 0;
  for (const auto& unit : units_) open += unit->depth != 0;
  return open;
}

bool gesso_weights::unchanged() const {
  for (const auto& unit : units_)
    for (const Unit::Weight& weight : unit->weights)
      if (weight.shown && sum_of(weight.shown, weight.bytes) != weight.sum) written_ = true;
  return !written_;
}
