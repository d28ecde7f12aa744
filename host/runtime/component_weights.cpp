#include "runtime/component_weights.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string_view>

#include "engine/weights/convert.hpp"
#include "gesso/cpp/error.hpp"
#include "gesso/cpp/tensor.hpp"

using gesso::Error;
using gesso::Status;
using gesso::runtime::BorrowedTensor;
using gesso::runtime::BoundaryClock;
using gesso::weights::DType;
using gesso::weights::TensorView;

namespace gesso::runtime {

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

}  // namespace gesso::runtime

struct gesso_weights::Weight {
  std::string name;
  TensorView stored;    // in the file
  DType wanted;         // what the component computes with
  bool absent = false;  // an optional weight that the file does not have
  TensorView placed;    // what the view shows
  std::optional<BorrowedTensor> tensor;
  gesso_tensor_t* part = nullptr;

  bool in_place() const {  // the file's bytes can be used as they lie
    const auto address = reinterpret_cast<uintptr_t>(stored.bytes.data());
    return stored.dtype == wanted && address % gesso::weights::block_bytes(stored.dtype) == 0;
  }
};

struct gesso_weights::Unit {
  std::string name;
  std::vector<Weight> weights;
  std::vector<gesso_weight_view_t> views;
  std::array<std::string, 4> devices{"cpu", "cpu", "cpu", "cpu"};
  uint64_t generation = 0, stored_bytes = 0, compute_bytes = 0;
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
    if (weight.stored.dtype != weight.wanted) {
      weight.placed = gesso::weights::materialize(weight.stored, weight.wanted);
    } else {
      weight.placed = weight.in_place() ? weight.stored : aligned_copy(weight.stored);
    }
    weight.tensor.emplace(weight.placed, gesso::runtime::dl_type(weight.wanted));
    weight.part = weight.tensor->get();
    unit.views[i].n_parts = 1;
    unit.views[i].parts = &weight.part;
  }
  ++unit.generation;
  unit.placed = true;
}

void gesso_weights::drop(Unit& unit) {
  unit.views.clear();
  for (Weight& weight : unit.weights) {
    weight.tensor.reset();
    weight.placed = {};
  }
  unit.placed = false;
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
  view->delta_generation = 0;
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
      if (!weight.absent && !weight.in_place()) bytes += weight.placed.bytes.size();
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
