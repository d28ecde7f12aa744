#include "runtime/component_weights.hpp"

#include <fmt/format.h>

#include <ATen/ops/mm.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "engine/weights/convert.hpp"
#include "gesso/cpp/error.hpp"
#include "gesso/cpp/torch.hpp"
#include "gesso/ext/training.h"
#include "gesso/kind/delta_source.h"

namespace gesso::runtime {

using weights::DType;
using weights::TensorView;

DLDataType dl_type(DType dtype) {
  switch (dtype) {
    case DType::F64:
      return {kDLFloat, 64, 1};
    case DType::F32:
      return {kDLFloat, 32, 1};
    case DType::F16:
      return {kDLFloat, 16, 1};
    case DType::BF16:
      return {kDLBfloat, 16, 1};
    case DType::F8_E4M3:
      return {kDLFloat8_e4m3fn, 8, 1};
    case DType::F8_E5M2:
      return {kDLFloat8_e5m2, 8, 1};
    case DType::I64:
      return {kDLInt, 64, 1};
    case DType::I32:
      return {kDLInt, 32, 1};
    case DType::I16:
      return {kDLInt, 16, 1};
    case DType::I8:
      return {kDLInt, 8, 1};
    case DType::U8:
      return {kDLUInt, 8, 1};
    case DType::Bool:
      return {kDLBool, 8, 1};
    default:
      break;
  }
  throw Error(Status::NotSupported,
              fmt::format("element type {} cannot cross the plugin boundary as it is",
                          weights::name_of(dtype)));
}

BorrowedTensor::BorrowedTensor(const TensorView& view, DLDataType dtype)
    : shape_(view.shape), strides_(view.shape.size()), tensor_(std::make_unique<gesso_tensor_t>()) {
  int64_t stride = 1;
  for (size_t i = shape_.size(); i-- > 0;) {
    strides_[i] = stride;
    stride *= shape_[i];
  }
  tensor_->version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION};
  tensor_->manager_ctx = nullptr;
  tensor_->deleter = nullptr;
  tensor_->flags = DLPACK_FLAG_BITMASK_READ_ONLY;
  tensor_->dl_tensor = {const_cast<std::byte*>(view.bytes.data()),
                        {kDLCPU, 0},
                        static_cast<int32_t>(shape_.size()),
                        dtype,
                        shape_.data(),
                        strides_.data(),
                        0};
}

/// An update as a component sees it.
class ShownDelta {
 public:
  explicit ShownDelta(const WeightDelta& delta)
      : a_(torch::give(delta.a)),
        b_(torch::give(delta.b)),
        parts_{a_.get(), b_.get()},
        scale_(delta.scale),
        items_(delta.items),
        id_(delta.id),
        flags_(delta.trainable ? uint32_t{GESSO_WEIGHT_TRAINABLE} : 0) {}
  ShownDelta(ShownDelta&&) = default;
  ShownDelta& operator=(ShownDelta&&) = default;

  /// Valid while this stays where it is.
  gesso_delta_t raw() const {
    return {GESSO_DELTA_LOW_RANK, id_, 2, scale_, items_, parts_.data(), flags_, 0};
  }

 private:
  Tensor a_, b_;
  std::array<gesso_tensor_t*, 2> parts_;
  double scale_;
  uint64_t items_;
  uint32_t id_, flags_;
};

namespace {

/// A weight with an update added, in float32.
at::Tensor with_delta(const at::Tensor& base, const WeightDelta& delta) {
  if (delta.a.defined()) {
    return base + at::mm(delta.b.to(at::kFloat), delta.a.to(at::kFloat)) * delta.scale;
  }
  const at::Tensor whole = delta.replace(base);
  return delta.scale == 1 ? whole : base + (whole - base) * delta.scale;
}

}  // namespace
}  // namespace gesso::runtime

using gesso::Error;
using gesso::Status;
using gesso::runtime::BorrowedTensor;
using gesso::runtime::BoundaryClock;
using gesso::runtime::DeltaTarget;
using gesso::runtime::ShownDelta;
using gesso::runtime::TrainableWeight;
using gesso::runtime::WeightDelta;
using gesso::weights::DType;
using gesso::weights::TensorView;

struct gesso_weights::Weight {
  std::string name;
  TensorView stored;                // in the file
  DType wanted;                     // what the component computes with
  bool absent = false;              // an optional weight that the file does not have
  uint32_t flags = 0;               // of the request
  TensorView placed;                // what the view shows
  std::vector<WeightDelta> deltas;  // all updates, in order
  std::vector<WeightDelta> trained_deltas;
  at::Tensor value;               // shown in place of the stored one, while it is trained
  std::vector<ShownDelta> shown;  // those that the component adds
  std::optional<BorrowedTensor> tensor;
  gesso_tensor_t* part = nullptr;

  bool is_target() const {
    return !absent && stored.shape.size() == 2 &&
           !(flags & (GESSO_WEIGHT_BUFFER | GESSO_WEIGHT_NO_TARGET));
  }
  /// Whether the component itself adds this update.
  bool adds(const WeightDelta& delta) const {
    return (flags & GESSO_WEIGHT_TAKES_DELTAS) && delta.a.defined() && !delta.fuse;
  }
  bool in_place() const {  // the file's bytes can be used as they lie
    const auto address = reinterpret_cast<uintptr_t>(stored.bytes.data());
    return stored.dtype == wanted && address % gesso::weights::block_bytes(stored.dtype) == 0;
  }
};

struct gesso_weights::Unit {
  std::string name;
  std::vector<Weight> weights;
  std::vector<gesso_weight_view_t> views;
  std::vector<std::vector<gesso_delta_t>> deltas;  // of each view
  std::array<std::string, 4> devices{"cpu", "cpu", "cpu", "cpu"};
  uint64_t generation = 0, delta_generation = 0, stored_bytes = 0, compute_bytes = 0;
  int users = 0;
  bool placed = false;
};

namespace {

const char* const kPlain = "plain";

std::optional<DType> type_of_request(const DLDataType& type) {
  if (type.bits == 0) return std::nullopt;
  for (const DType dtype :
       {DType::F32, DType::BF16, DType::F16, DType::I64, DType::I32, DType::U8}) {
    if (gesso::same_type(type, gesso::runtime::dl_type(dtype))) return dtype;
  }
  throw Error(
      Status::NotSupported,
      fmt::format("a weight was requested as type code {} with {} bits", type.code, type.bits));
}

void check_shape(const std::string& where, std::span<const int64_t> found,
                 const gesso_weight_request_t& request) {
  const std::span<const int64_t> expected(request.shape, static_cast<size_t>(request.ndim));
  bool equal = found.size() == expected.size();
  for (size_t i = 0; equal && i < found.size(); ++i) {
    equal = expected[i] < 0 || expected[i] == found[i];
  }
  if (!equal) {
    throw Error(Status::Incompatible,
                fmt::format("{} is {}, expected {}; is this another model's file?", where,
                            gesso::shape_text(found), gesso::shape_text(expected)));
  }
}

/// A copy at an address that every element type can be read from.
TensorView aligned_copy(const TensorView& view) {
  auto memory = std::shared_ptr<std::byte>(
      static_cast<std::byte*>(std::aligned_alloc(64, (view.bytes.size() + 64) / 64 * 64)),
      std::free);
  if (!memory) throw std::bad_alloc();
  std::copy(view.bytes.begin(), view.bytes.end(), memory.get());
  return {view.dtype, view.shape, {memory.get(), view.bytes.size()}, memory};
}

}  // namespace

gesso_weights::gesso_weights(std::string component, std::string role,
                             std::shared_ptr<const gesso::weights::MappedWeights> files,
                             DType compute_type, BoundaryClock* clock)
    : component_(std::move(component)),
      role_(std::move(role)),
      files_(std::move(files)),
      compute_type_(compute_type),
      clock_(clock) {}

gesso_weights::~gesso_weights() = default;

std::string gesso_weights::where(const char* name) const {
  return fmt::format("{}: weight \"{}\"", component_, name);
}

void gesso_weights::describe(const char* name, DLTensor* meta) {
  const auto found = files_->find(name);
  if (!found) throw Error(Status::NotFound, where(name) + " is not in " + files_->describe());
  auto shape = std::make_unique<std::vector<int64_t>>(found->shape);
  const DLDataType dtype = gesso::weights::is_quantised(found->dtype)
                               ? gesso::runtime::dl_type(compute_type_)
                               : gesso::runtime::dl_type(found->dtype);
  *meta = {nullptr, {kDLCPU, 0}, static_cast<int32_t>(shape->size()), dtype, shape->data(), nullptr,
           0};
  described_.push_back(std::move(shape));
}

uint32_t gesso_weights::declare(const char* name, const gesso_weight_request_t* const* requests,
                                uint32_t count) {
  auto unit = std::make_unique<Unit>();
  unit->name = name;
  for (uint32_t i = 0; i < count; ++i) {
    const gesso_weight_request_t& request = *requests[i];
    Weight weight;
    weight.name = request.name;
    weight.flags = request.flags;
    const auto found = files_->find(request.name);
    if (!found) {
      if (!(request.flags & GESSO_WEIGHT_OPTIONAL)) {
        throw Error(Status::NotFound, where(request.name) + " is missing in " + files_->describe());
      }
      weight.absent = true;
    } else {
      check_shape(where(request.name), found->shape, request);
      weight.stored = *found;
      weight.wanted = type_of_request(request.dtype).value_or(compute_type_);
      unit->stored_bytes += found->bytes.size();
      unit->compute_bytes +=
          static_cast<uint64_t>(gesso::weights::byte_size(weight.wanted, found->shape).value_or(0));
    }
    unit->weights.push_back(std::move(weight));
    if (unit->weights.back().is_target()) targets_.emplace_back(units_.size(), i);
  }
  units_.push_back(std::move(unit));
  return static_cast<uint32_t>(units_.size() - 1);
}

std::vector<gesso_unit_info_t> gesso_weights::unit_infos() const {
  std::vector<gesso_unit_info_t> infos;
  for (size_t i = 0; i < units_.size(); ++i) {
    infos.push_back({sizeof(gesso_unit_info_t), static_cast<uint32_t>(i), component_.c_str(),
                     role_.c_str(), units_[i]->name.c_str(), units_[i]->stored_bytes,
                     units_[i]->compute_bytes, 1});
  }
  return infos;
}

void gesso_weights::set_plan(size_t id, const gesso_unit_plan_t& plan) {
  Unit& planned = *units_.at(id);
  for (size_t state = 0; state < 4; ++state) {
    const std::string device = plan.state[state].device ? plan.state[state].device : "";
    const std::string storage = plan.state[state].storage ? plan.state[state].storage : "";
    const bool held = device == "cpu" && (storage == "compute" || storage == "file");
    const bool left = device == "disk" && state != GESSO_PLACE_COMPUTATION;
    if (!held && !left) {
      throw Error(
          Status::NotSupported,
          fmt::format("{}: the memory policy places unit \"{}\" on \"{}\" as \"{}\"; this host "
                      "serves \"cpu\" with \"compute\" or \"file\", and \"disk\" between uses",
                      component_, planned.name, device, storage));
    }
    planned.devices[state] = device;
  }
}

void gesso_weights::move(size_t id, int32_t state) {
  Unit& moved = *units_.at(id);
  if (moved.users > 0 || state < 0 || state > GESSO_PLACE_COMPUTATION) return;
  if (moved.devices[static_cast<size_t>(state)] == "disk") {
    drop(moved);
  } else {
    place(moved);
  }
}

void gesso_weights::place(Unit& unit) {
  if (unit.placed) return;
  unit.views.assign(unit.weights.size(), {kPlain, 0, 0, nullptr, nullptr, 0});
  for (size_t i = 0; i < unit.weights.size(); ++i) {
    Weight& weight = unit.weights[i];
    if (weight.absent) continue;
    place_weight(weight);
    unit.views[i].n_parts = 1;
    unit.views[i].parts = &weight.part;
    if (weight.value.defined()) unit.views[i].flags = GESSO_WEIGHT_TRAINABLE;
  }
  show_deltas(unit);
  ++unit.generation;
  unit.placed = true;
}

void gesso_weights::place_weight(Weight& weight) {
  if (weight.value.defined()) {
    const auto kept = std::make_shared<at::Tensor>(weight.value);
    const auto bytes = static_cast<const std::byte*>(kept->const_data_ptr());
    weight.placed = {weight.wanted, weight.stored.shape, {bytes, kept->nbytes()}, kept};
  } else if (weight.stored.dtype != weight.wanted) {
    weight.placed = gesso::weights::materialize(weight.stored, weight.wanted);
  } else {
    weight.placed = weight.in_place() ? weight.stored : aligned_copy(weight.stored);
  }
  const bool changed = std::any_of(weight.deltas.begin(), weight.deltas.end(),
                                   [&](const WeightDelta& d) { return !weight.adds(d); });
  if (changed) {
    BorrowedTensor base(weight.placed, gesso::runtime::dl_type(weight.wanted));
    const at::Tensor stored = gesso::torch::borrow(base.get());
    at::Tensor sum = stored.to(at::kFloat);
    for (const WeightDelta& delta : weight.deltas) {
      if (!weight.adds(delta)) sum = gesso::runtime::with_delta(sum, delta);
    }
    const auto copy = std::make_shared<at::Tensor>(sum.to(stored.scalar_type()).contiguous());
    const auto bytes = static_cast<const std::byte*>(copy->const_data_ptr());
    weight.placed = {weight.wanted, weight.stored.shape, {bytes, copy->nbytes()}, copy};
  }
  weight.tensor.emplace(weight.placed, gesso::runtime::dl_type(weight.wanted));
  weight.part = weight.tensor->get();
}

void gesso_weights::show_deltas(Unit& unit) {
  unit.deltas.assign(unit.weights.size(), {});
  for (size_t i = 0; i < unit.weights.size(); ++i) {
    Weight& weight = unit.weights[i];
    weight.shown.clear();
    for (const WeightDelta& delta : weight.deltas) {
      if (weight.adds(delta)) weight.shown.emplace_back(delta);
    }
    for (const WeightDelta& delta : weight.trained_deltas) weight.shown.emplace_back(delta);
    for (const ShownDelta& shown : weight.shown) unit.deltas[i].push_back(shown.raw());
    if (unit.views.empty()) continue;
    unit.views[i].deltas = unit.deltas[i].data();
    unit.views[i].n_deltas = unit.deltas[i].size();
  }
  ++unit.delta_generation;
}

void gesso_weights::drop(Unit& unit) {
  unit.views.clear();
  for (Weight& weight : unit.weights) {
    weight.tensor.reset();
    weight.placed = {};
  }
  unit.placed = false;
}

std::vector<DeltaTarget> gesso_weights::targets() const {
  constexpr std::string_view kSuffix = ".weight";
  std::vector<DeltaTarget> list;
  for (const auto& [unit, place] : targets_) {
    const Weight& weight = units_[unit]->weights[place];
    std::string name = weight.name;
    if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
    list.push_back({std::move(name), weight.stored.shape[0], weight.stored.shape[1],
                    static_cast<uint32_t>(unit), static_cast<uint32_t>(place)});
  }
  return list;
}

void gesso_weights::set_deltas(size_t index, std::vector<WeightDelta> deltas) {
  const auto& [unit_place, place] = targets_.at(index);
  Unit& unit = *units_[unit_place];
  Weight& weight = unit.weights[place];
  const auto copied = [&](const std::vector<WeightDelta>& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const WeightDelta& d) { return !weight.adds(d); });
  };
  const bool moved = copied(weight.deltas) || copied(deltas);
  weight.deltas = std::move(deltas);
  if (moved) drop(unit);  // the private copy is made anew with the next use
  show_deltas(unit);
}

void gesso_weights::set_items(size_t index, const std::vector<uint64_t>& items) {
  const auto& [unit_place, place] = targets_.at(index);
  Weight& weight = units_[unit_place]->weights[place];
  bool same = true;
  for (size_t i = 0; i < weight.deltas.size(); ++i) {
    same = same && weight.deltas[i].items == items.at(i);
    weight.deltas[i].items = items.at(i);
  }
  if (!same) show_deltas(*units_[unit_place]);
}

bool gesso_weights::takes_items(size_t index, const WeightDelta& delta) const {
  const auto& [unit, place] = targets_.at(index);
  const Weight& weight = units_[unit]->weights[place];
  return weight.adds(delta) && (weight.flags & GESSO_WEIGHT_DELTAS_PER_ITEM);
}

at::Tensor gesso_weights::placed(size_t index) {
  const auto& [unit_place, place_in_unit] = targets_.at(index);
  Unit& unit = *units_[unit_place];
  place(unit);
  return gesso::torch::borrow(unit.weights[place_in_unit].part).clone();
}

std::vector<TrainableWeight> gesso_weights::trainable() const {
  std::vector<TrainableWeight> list;
  for (uint32_t u = 0; u < units_.size(); ++u) {
    for (uint32_t i = 0; i < units_[u]->weights.size(); ++i) {
      const Weight& weight = units_[u]->weights[i];
      if (weight.absent || (weight.flags & GESSO_WEIGHT_BUFFER)) continue;
      list.push_back({weight.name, u, i, weight.stored.shape});
    }
  }
  return list;
}

at::Tensor gesso_weights::stored(uint32_t unit, uint32_t place) const {
  const Weight& weight = units_.at(unit)->weights.at(place);
  TensorView wide = gesso::weights::materialize(weight.stored, DType::F32);
  BorrowedTensor borrowed(wide, gesso::runtime::dl_type(DType::F32));
  return gesso::torch::borrow(borrowed.get()).clone();
}

void gesso_weights::set_value(uint32_t unit, uint32_t place, const at::Tensor& value) {
  Unit& changed = *units_.at(unit);
  changed.weights.at(place).value = value;
  drop(changed);
}

void gesso_weights::set_trained_deltas(size_t index, std::vector<WeightDelta> deltas) {
  const auto& [unit, place] = targets_.at(index);
  units_[unit]->weights[place].trained_deltas = std::move(deltas);
  show_deltas(*units_[unit]);
}

void gesso_weights::values_changed() {
  for (const auto& unit : units_) {
    ++unit->generation;
    ++unit->delta_generation;
  }
}

gesso_weights::Unit& gesso_weights::unit(uint32_t id) {
  if (id >= units_.size()) {
    throw Error(Status::InvalidArgument, fmt::format("{} has no unit {}", component_, id));
  }
  return *units_[id];
}

void gesso_weights::enter(uint32_t id, gesso_unit_view_t* view) {
  Unit& entered = unit(id);
  place(entered);
  ++entered.users;
  view->count = static_cast<uint32_t>(entered.views.size());
  view->generation = entered.generation;
  view->delta_generation = entered.delta_generation;
  view->weights = entered.views.data();
}

void gesso_weights::leave(uint32_t id) {
  if (id < units_.size() && units_[id]->users > 0) --units_[id]->users;
}

uint64_t gesso_weights::mapped_bytes() const {
  uint64_t bytes = 0;
  for (const auto& unit : units_) {
    for (const Weight& weight : unit->weights) {
      if (!weight.absent && weight.in_place()) bytes += weight.stored.bytes.size();
    }
  }
  return bytes;
}

uint64_t gesso_weights::copied_bytes() const {
  uint64_t bytes = 0;
  for (const auto& unit : units_) {
    for (const Weight& weight : unit->weights) {
      const bool copied = weight.placed.bytes.data() != weight.stored.bytes.data();
      if (!weight.absent && copied) bytes += weight.placed.bytes.size();
    }
  }
  return bytes;
}

const gesso_weights_service_t& gesso_weights::service() {
  static const gesso_weights_service_t table{
      sizeof(gesso_weights_service_t),
      0,
      [](gesso_weights_t* self, const char* name, DLTensor* meta, gesso_error_t* error) {
        return gesso::guard(error, [&] { self->describe(name, meta); });
      },
      [](gesso_weights_t* self, const char* unit, const gesso_weight_request_t* const* requests,
         uint32_t count, uint32_t* id, gesso_error_t* error) {
        return gesso::guard(error, [&] { *id = self->declare(unit, requests, count); });
      },
      [](gesso_weights_t* self, const gesso_call_t* call, uint32_t id, gesso_unit_view_t* view) {
        const BoundaryClock::Scope timed(self->clock_);
        return gesso::guard(call ? call->error : nullptr, [&] { self->enter(id, view); });
      },
      [](gesso_weights_t* self, uint32_t id) {
        const BoundaryClock::Scope timed(self->clock_);
        self->leave(id);
      },
      [](gesso_weights_t*, uint32_t) {}};
  return table;
}
