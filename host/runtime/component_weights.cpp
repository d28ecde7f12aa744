#include "runtime/component_weights.hpp"

#include <fmt/format.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <array>
#include <future>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/base/file_region.hpp"
#include "engine/weights/stored_weight.hpp"
#include "gesso/cpp/error.hpp"
#include "gesso/cpp/torch.hpp"
#include "gesso/ext/training.h"
#include "gesso/kind/delta_source.h"
#include "runtime/with_delta.hpp"

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

BorrowedTensor::BorrowedTensor(const TensorView& view, DLDataType dtype, DLDevice device)
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
                        device,
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

}  // namespace gesso::runtime

using gesso::Error;
using gesso::Status;
using gesso::runtime::BorrowedTensor;
using gesso::runtime::BoundaryClock;
using gesso::runtime::Clock;
using gesso::runtime::DeltaTarget;
using gesso::runtime::Device;
using gesso::runtime::Place;
using gesso::runtime::ShownDelta;
using gesso::runtime::Timeline;
using gesso::runtime::TrainableWeight;
using gesso::runtime::WeightDelta;
using gesso::weights::DType;
using gesso::weights::Encoding;
using gesso::weights::StoredWeight;
using gesso::weights::TensorView;

struct gesso_weights::Weight {
  std::string name;
  StoredWeight stored;  // in the file, or in memory when its format was changed
  std::vector<std::shared_ptr<const gesso::base::FileRegion>> files;  // of its parts; null: none
  DType wanted;                     // what the component computes with
  bool fixed_type = false;          // the request names the type, storage formats leave it alone
  bool computed_as_stored = false;  // the component multiplies with the codes
  bool absent = false;              // an optional weight that the file does not have
  uint32_t flags = 0;               // of the request
  TensorView placed;                // what the view shows
  std::vector<WeightDelta> deltas;  // all updates, in order
  std::vector<WeightDelta> trained_deltas;
  at::Tensor value;               // shown in place of the stored one, while it is trained
  std::vector<ShownDelta> shown;  // those that the component adds
  std::vector<BorrowedTensor> tensors;
  std::vector<gesso_tensor_t*> parts;

  bool is_target() const {
    return !absent && stored.shape.size() == 2 &&
           !(flags & (GESSO_WEIGHT_BUFFER | GESSO_WEIGHT_NO_TARGET));
  }
  /// Whether the component itself adds this update.
  bool adds(const WeightDelta& delta) const {
    return (flags & GESSO_WEIGHT_TAKES_DELTAS) && delta.a.defined() && !delta.fuse;
  }
  /// Whether updates are added to a private copy.
  bool is_copied() const {
    return std::any_of(deltas.begin(), deltas.end(),
                       [this](const WeightDelta& delta) { return !adds(delta); });
  }
  bool is_aligned() const {
    const auto address = reinterpret_cast<uintptr_t>(stored.data().bytes.data());
    return address % static_cast<uintptr_t>(gesso::weights::block_bytes(stored.data().dtype)) == 0;
  }
};

/// The bytes of a unit in one place, weight by weight.
struct gesso_weights::Form {
  std::optional<Place> place;         // nothing: nowhere
  std::vector<StoredWeight> weights;  // in the order of the unit; in the block, or in the file
  std::shared_ptr<std::byte> block;
  uint64_t block_bytes = 0;

  bool is_in_block(const StoredWeight& weight) const {
    return block && !weight.parts.empty() && weight.data().owner == block;
  }
};

struct gesso_weights::Unit {
  std::string name;
  std::vector<Weight> weights;
  std::vector<gesso_weight_view_t> views;
  std::vector<std::vector<gesso_delta_t>> deltas;  // of each view
  Form held, transient;       // where the policy wants it; a copy for the present use
  std::future<void> loading;  // of `held`, when another thread fills it
  bool reads_file = false;    // instead of using it where it is mapped
  uint64_t generation = 0, delta_generation = 0, stored_bytes = 0, compute_bytes = 0;
  uint64_t copies_wanted = 0, copies = 0;  // bytes of private copies; those held now
  int users = 0;
  bool shown = false;  // the views hold
  Clock::time_point entered;
};

namespace {

bool asks_for(const gesso_weight_request_t& request, std::string_view encoding) {
  if (!GESSO_HAS(gesso_weight_request_t, &request, encodings) || !request.encodings) return false;
  for (const char* const* name = request.encodings; *name; ++name) {
    if (*name == encoding) return true;
  }
  return false;
}

/// Whether a weight's parts can cross the boundary as "int8_row".
bool is_int8_row(const StoredWeight& stored) {
  if (stored.encoding != Encoding::Scaled || stored.data().dtype != DType::I8 ||
      stored.rotation != 0 || stored.shape.size() != 2) {
    return false;
  }
  const TensorView& scale = stored.parts[1];
  return gesso::weights::element_count(scale.shape) == stored.shape[0] &&
         reinterpret_cast<uintptr_t>(scale.bytes.data()) % alignof(float) == 0;
}

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

/// Bytes of `part` in main memory; `kept` holds them when they are a copy.
/// @param from  the device that `part` lies on
/// @param file  that it is read from instead; null: none
std::span<const std::byte> in_memory(const TensorView& part, Device* from,
                                     const gesso::base::FileRegion* file,
                                     std::vector<std::byte>& kept) {
  if (!file && from->is_host()) return part.bytes;
  kept.resize(part.bytes.size());
  if (file) {
    file->read(part.bytes, kept.data());
  } else {
    from->read(part.bytes.data(), kept);
  }
  return kept;
}

std::byte* writable(const TensorView& view) { return const_cast<std::byte*>(view.bytes.data()); }

using Files = std::vector<std::shared_ptr<const gesso::base::FileRegion>>;

/// The same tensors in another place.
void copy_parts(const StoredWeight& source, Device* from, const Files* files,
                const StoredWeight& to, Device& device) {
  for (size_t i = 0; i < source.parts.size(); ++i) {
    const TensorView& part = source.parts[i];
    const auto* file = files ? (*files)[i].get() : nullptr;
    std::byte* target = writable(to.parts[i]);
    if (file && device.is_host()) {
      file->read(part.bytes, target);
      continue;
    }
    std::vector<std::byte> kept;
    const auto bytes = in_memory(part, from, file, kept);
    if (device.is_host()) {
      std::copy(bytes.begin(), bytes.end(), target);
    } else {
      device.write(target, bytes);
    }
  }
}

/// One weight from where it is to another place and, when `to` is plain, its type.
/// @param from   the device that `source` lies on
/// @param files  that its parts are read from instead; null: none
void copy_weight(const StoredWeight& source, Device* from, const Files* files,
                 const StoredWeight& to, Device& device, unsigned threads) {
  const bool same = source.encoding == to.encoding && source.data().dtype == to.data().dtype;
  if (same) return copy_parts(source, from, files, to, device);
  StoredWeight near = source;
  std::vector<std::vector<std::byte>> kept(source.parts.size());
  for (size_t i = 0; i < kept.size(); ++i) {
    const auto* file = files ? (*files)[i].get() : nullptr;
    near.parts[i].bytes = in_memory(source.parts[i], from, file, kept[i]);
  }
  const TensorView& target = to.data();
  const size_t size = target.bytes.size();
  if (device.is_host()) {
    return gesso::weights::decode_into(near, target.dtype, {writable(target), size}, threads);
  }
  std::vector<std::byte> decoded(size);
  gesso::weights::decode_into(near, target.dtype, decoded, threads);
  device.write(writable(target), decoded);
}

/// Lets go of mapped pages that are not used as they lie.
void drop_pages(const StoredWeight& stored, const Files& files) {
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i]) gesso::base::drop_pages(stored.parts[i].bytes);
  }
}

constexpr uint64_t kAlignment = 64;

uint64_t aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t size_in(DType type, const gesso::weights::Shape& shape) {
  return static_cast<uint64_t>(gesso::weights::byte_size(type, shape).value_or(0));
}

bool is_plain_float(const StoredWeight& weight) {
  const DType type = weight.data().dtype;
  return weight.encoding == Encoding::Plain &&
         (type == DType::F32 || type == DType::F16 || type == DType::BF16);
}

at::Tensor decoded(const StoredWeight& weight, DType type) {
  const TensorView view = gesso::weights::decode(weight, type);
  BorrowedTensor borrowed(view, gesso::runtime::dl_type(type));
  return gesso::torch::borrow(borrowed.get()).clone();
}

/// Whether a matrix takes less room than in bf16.
bool is_narrow(const StoredWeight& weight) {
  return weight.shape.size() == 2 &&
         weight.size_bytes() < static_cast<uint64_t>(2 * weight.elements());
}

}  // namespace

gesso_weights::gesso_weights(std::string component, std::string role,
                             std::shared_ptr<const gesso::weights::MappedWeights> files,
                             DType compute_type, gesso::runtime::Devices& devices,
                             BoundaryClock* clock)
    : component_(std::move(component)),
      role_(std::move(role)),
      files_(std::move(files)),
      compute_type_(compute_type),
      plain_{"cpu", "compute", &devices.cpu(), std::nullopt},
      clock_(clock) {}

gesso_weights::~gesso_weights() {
  for (const auto& unit : units_) {
    if (unit->loading.valid()) unit->loading.wait();
  }
}

std::string gesso_weights::where(const char* name) const {
  return fmt::format("{}: weight \"{}\"", component_, name);
}

void gesso_weights::set_storage(const gesso::weights::StorageRule& rule) {
  storing_ = gesso::weights::Storing(rule);
}

void gesso_weights::describe(const char* name, DLTensor* meta) {
  const auto found = files_->find(name);
  if (!found) throw Error(Status::NotFound, where(name) + " is not in " + files_->describe());
  auto shape = std::make_unique<std::vector<int64_t>>(found->shape);
  const DType stored = found->data().dtype;
  const bool decoded = found->encoding != Encoding::Plain || gesso::weights::is_quantised(stored);
  const DLDataType dtype = gesso::runtime::dl_type(decoded ? compute_type_ : stored);
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
      const std::optional<DType> asked = type_of_request(request.dtype);
      weight.wanted = asked.value_or(compute_type_);
      weight.fixed_type = asked.has_value();
      if (!asked && storing_.covers(weight.name, weight.stored, weight.is_target())) {
        weight.stored = storing_.store(weight.name, *found);
        weight.files.resize(weight.stored.parts.size());
        for (const TensorView& part : found->parts) {  // not read again
          if (region_of(part.bytes)) gesso::base::drop_pages(part.bytes);
        }
      } else {
        for (const TensorView& part : weight.stored.parts) {
          weight.files.push_back(region_of(part.bytes));
        }
      }
      weight.computed_as_stored = storing_.computes_in_int8() &&
                                  asks_for(request, GESSO_ENCODING_INT8_ROW) &&
                                  is_int8_row(weight.stored);
      unit->stored_bytes += weight.stored.size_bytes();
      unit->compute_bytes += bytes_in(weight, plain_);
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

void gesso_weights::watch(gesso::runtime::UnitEvents* events, size_t first,
                          gesso::runtime::Loader* loader, Timeline* timeline) {
  events_ = events;
  first_ = first;
  loader_ = loader;
  timeline_ = timeline;
  for (size_t i = 0; i < units_.size(); ++i) release(i);  // what preparing has used
}

/// The file that bytes are mapped from; null: they are in other memory.
std::shared_ptr<const gesso::base::FileRegion> gesso_weights::region_of(
    std::span<const std::byte> bytes) {
  for (const auto& region : regions_) {
    if (region->contains(bytes)) return region;
  }
  auto region = gesso::base::FileRegion::of(bytes);
  if (region) regions_.push_back(region);
  return region;
}

void gesso_weights::set_reads_file(size_t id, bool reads) { units_.at(id)->reads_file = reads; }

void gesso_weights::fail(const Unit& unit, const Error& error) const {
  throw Error(error.status(),
              fmt::format("{}: unit \"{}\": {}", component_, unit.name, error.what()));
}

bool gesso_weights::is_narrow(size_t id) const {
  return std::ranges::any_of(units_.at(id)->weights, [](const Weight& weight) {
    return !weight.absent && ::is_narrow(weight.stored);
  });
}

/// The type that a weight has in a place; nothing: it is as it is stored.
std::optional<DType> gesso_weights::type_in(const Weight& weight, const Place& place) const {
  if (place.storage == "file" || weight.computed_as_stored) return std::nullopt;
  const bool takes_format = place.dtype && !weight.fixed_type && is_plain_float(weight.stored);
  return takes_format ? *place.dtype : weight.wanted;
}

uint64_t gesso_weights::bytes_in(const Weight& weight, const Place& place) const {
  if (const auto type = type_in(weight, place)) return aligned(size_in(*type, weight.stored.shape));
  uint64_t sum = 0;
  for (const TensorView& part : weight.stored.parts) sum += aligned(part.bytes.size());
  return sum;
}

/// Whether the mapped file is used as it lies, or what was stored in memory.
bool gesso_weights::in_place(const Unit& unit, const Weight& weight, const Place& place) const {
  if (unit.reads_file && weight.files.front()) return false;
  if (!place.memory || !place.memory->is_host()) return false;
  const auto type = type_in(weight, place);
  if (!type && weight.stored.encoding != Encoding::Plain) return true;
  return weight.stored.is_plain(type.value_or(weight.stored.data().dtype)) && weight.is_aligned();
}

uint64_t gesso_weights::bytes(size_t id, const Place& place) const {
  if (!place.memory) return 0;
  uint64_t sum = 0;
  for (const Weight& weight : units_.at(id)->weights) {
    if (!weight.absent) sum += bytes_in(weight, place);
  }
  return sum;
}

uint64_t gesso_weights::copy_bytes(size_t id) const { return units_.at(id)->copies_wanted; }

bool gesso_weights::computes_from(size_t id, const Place& held, const Place& computation) const {
  if (!held.memory || held.memory != computation.memory) return false;
  const auto& weights = units_.at(id)->weights;
  return std::all_of(weights.begin(), weights.end(), [&](const Weight& weight) {
    if (weight.absent || weight.computed_as_stored) return true;
    const auto type = type_in(weight, held);
    return type ? *type == weight.wanted
                : weight.stored.is_plain(weight.wanted) && weight.is_aligned();
  });
}

uint64_t gesso_weights::read_bytes(size_t id, const Place& place) const {
  const Unit& unit = *units_.at(id);
  uint64_t sum = 0;
  for (const Weight& weight : unit.weights) {
    if (!weight.absent && !in_place(unit, weight, place)) sum += weight.stored.size_bytes();
  }
  return sum;
}

/// Allocates; weights that are used in place are done, the others have room in the block.
gesso_weights::Form gesso_weights::lay_out(const Unit& unit, const Place& place) const {
  Form form{place, {}, nullptr, 0};
  for (const Weight& weight : unit.weights) {
    if (weight.absent || in_place(unit, weight, place)) continue;
    form.block_bytes += bytes_in(weight, place);
  }
  if (form.block_bytes > 0) form.block = place.memory->allocate(form.block_bytes);
  std::byte* next = form.block.get();
  for (const Weight& weight : unit.weights) {
    StoredWeight laid = weight.absent ? StoredWeight() : weight.stored;
    if (!weight.absent && !in_place(unit, weight, place)) {
      if (const auto type = type_in(weight, place)) {
        laid = StoredWeight({*type, laid.shape, {next, size_in(*type, laid.shape)}, nullptr});
      }
      for (TensorView& part : laid.parts) {
        part.bytes = {next, part.bytes.size()};
        part.owner = form.block;
        next += aligned(part.bytes.size());
      }
    }
    form.weights.push_back(std::move(laid));
  }
  return form;
}

/// Copies into the block, from `source` or, where that is nowhere, from the file.
void gesso_weights::fill(const Unit& unit, const Form& source, Form& form, unsigned threads) const {
  for (size_t i = 0; i < unit.weights.size(); ++i) {
    const Weight& weight = unit.weights[i];
    if (!form.is_in_block(form.weights[i])) continue;
    const bool held = source.place && source.is_in_block(source.weights[i]);
    const bool read = !held && unit.reads_file;
    copy_weight(held ? source.weights[i] : weight.stored,
                held ? source.place->memory : plain_.memory, read ? &weight.files : nullptr,
                form.weights[i], *form.place->memory, threads);
    if (!held && !read) drop_pages(weight.stored, weight.files);
  }
}

void gesso_weights::clear(Form& form) {
  copied_bytes_ -= form.block_bytes;
  form = Form{};
}

void gesso_weights::hold(size_t id, const Place& place, bool ahead) {
  Unit& unit = *units_.at(id);
  Form made;
  try {
    settle(unit);
    hide(id);
    made = lay_out(unit, place);
    copied_bytes_ += made.block_bytes;
    std::swap(unit.held, made);  // `made` is now where it was
    if (!ahead || !loader_ || !unit.held.block) {
      fill(unit, made, unit.held, 0);
      return clear(made);
    }
    copied_bytes_ -= made.block_bytes;
    unit.loading = loader_->submit([this, &unit, source = std::move(made)] {
      const auto begin = Clock::now();
      fill(unit, source, unit.held, 1);
      if (timeline_) {
        timeline_->add(Timeline::kReading, fmt::format("{}.{}", role_, unit.name), begin,
                       Clock::now(), {{"bytes", unit.held.block_bytes}});
      }
    });
  } catch (const Error& error) {
    clear(made);
    clear(unit.held);
    fail(unit, error);
  }
}

/// Waits for the other thread. What it could not read is nowhere again.
void gesso_weights::settle(Unit& unit) {
  if (!unit.loading.valid()) return;
  const auto loading = std::exchange(unit.loading, {}).share();
  try {
    loading.get();
  } catch (...) {
    clear(unit.held);
    throw;
  }
}

void gesso_weights::release(size_t id) {
  Unit& unit = *units_.at(id);
  try {
    settle(unit);
  } catch (const Error&) {  // it was not wanted any more
  }
  hide(id);
  for (size_t i = 0; i < unit.held.weights.size(); ++i) {
    if (!unit.held.is_in_block(unit.held.weights[i]))
      drop_pages(unit.weights[i].stored, unit.weights[i].files);
  }
  clear(unit.held);
}

void gesso_weights::show(size_t id, const Place& computation) {
  Unit& unit = *units_.at(id);
  if (unit.shown) return;
  try {
    settle(unit);
    const bool ready = unit.held.place && computes_from(id, *unit.held.place, computation);
    if (!ready) {
      unit.transient = lay_out(unit, computation);
      copied_bytes_ += unit.transient.block_bytes;
      fill(unit, unit.held, unit.transient, 0);
    }
    const Form& form = ready ? unit.held : unit.transient;
    unit.views.assign(unit.weights.size(), {GESSO_ENCODING_PLAIN, 0, 0, nullptr, nullptr, 0});
    for (size_t i = 0; i < unit.weights.size(); ++i) {
      Weight& weight = unit.weights[i];
      if (weight.absent) continue;
      show_weight(weight, form, i);
      if (weight.parts.size() > 1) unit.views[i].encoding = GESSO_ENCODING_INT8_ROW;
      unit.views[i].n_parts = static_cast<uint32_t>(weight.parts.size());
      unit.views[i].parts = weight.parts.data();
      if (weight.value.defined()) unit.views[i].flags = GESSO_WEIGHT_TRAINABLE;
    }
  } catch (const Error& error) {
    clear(unit.transient);
    fail(unit, error);
  }
  unit.copies = unit.copies_wanted;
  copied_bytes_ += unit.copies;
  show_deltas(unit);
  ++unit.generation;
  unit.shown = true;
}

void gesso_weights::hide(size_t id) {
  Unit& unit = *units_.at(id);
  unit.views.clear();
  for (Weight& weight : unit.weights) {
    weight.tensors.clear();
    weight.parts.clear();
    weight.placed = {};
  }
  copied_bytes_ -= std::exchange(unit.copies, 0);
  clear(unit.transient);
  unit.shown = false;
}

void gesso_weights::show_weight(Weight& weight, const Form& form, size_t place) {
  const DLDevice device = form.place->memory->dl();
  const auto show_part = [&](const TensorView& part, DType type) {
    weight.tensors.emplace_back(part, gesso::runtime::dl_type(type), device);
    weight.parts.push_back(weight.tensors.back().get());
  };
  const auto own = [&](at::Tensor numbers) {
    const auto kept = std::make_shared<at::Tensor>(std::move(numbers));
    const auto bytes = static_cast<const std::byte*>(kept->const_data_ptr());
    weight.placed = {weight.wanted, weight.stored.shape, {bytes, kept->nbytes()}, kept};
  };
  if (weight.value.defined()) {
    own(weight.value);
  } else if (weight.computed_as_stored && !weight.is_copied()) {
    TensorView codes = form.weights[place].data();
    codes.shape = weight.stored.shape;
    TensorView scale = form.weights[place].parts[1];
    scale.shape = {weight.stored.shape[0]};
    show_part(codes, DType::I8);
    return show_part(scale, DType::F32);
  } else if (weight.computed_as_stored) {
    weight.placed = gesso::weights::decode(form.weights[place], weight.wanted);
  } else {
    weight.placed = form.weights[place].data();
    weight.placed.shape = weight.stored.shape;
  }
  if (weight.is_copied()) {
    BorrowedTensor base(weight.placed, gesso::runtime::dl_type(weight.wanted), device);
    const at::Tensor stored = gesso::torch::borrow(base.get());
    at::Tensor sum = stored.to(at::kFloat);
    for (const WeightDelta& delta : weight.deltas) {
      if (!weight.adds(delta)) sum = gesso::runtime::with_delta(sum, delta);
    }
    own(sum.to(stored.scalar_type()).contiguous());
  }
  show_part(weight.placed, weight.wanted);
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
  const bool was_copied = weight.is_copied();
  weight.deltas = std::move(deltas);
  if (was_copied || weight.is_copied()) hide(unit_place);  // copied anew with the next use
  unit.copies_wanted = 0;
  for (const Weight& each : unit.weights) {
    if (each.is_copied()) unit.copies_wanted += size_in(each.wanted, each.stored.shape);
  }
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
  gesso_unit_view_t view{};
  enter(static_cast<uint32_t>(unit_place), &view);
  const Weight& weight = units_[unit_place]->weights[place_in_unit];
  at::Tensor copy = weight.parts.size() == 1 ? gesso::torch::borrow(weight.parts.front()).clone()
                                             : decoded(weight.stored, weight.wanted);
  leave(static_cast<uint32_t>(unit_place));
  return copy;
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
  return decoded(units_.at(unit)->weights.at(place).stored, DType::F32);
}

void gesso_weights::set_value(uint32_t unit, uint32_t place, const at::Tensor& value) {
  Unit& changed = *units_.at(unit);
  changed.weights.at(place).value = value;
  hide(unit);
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
  if (entered.users == 0 && events_) events_->enter(first_ + id);
  if (!entered.shown) {
    if (!entered.held.place) hold(id, plain_, false);
    show(id, plain_);
  }
  if (entered.users++ == 0 && timeline_ && timeline_->on()) entered.entered = Clock::now();
  view->count = static_cast<uint32_t>(entered.views.size());
  view->generation = entered.generation;
  view->delta_generation = entered.delta_generation;
  view->weights = entered.views.data();
}

void gesso_weights::leave(uint32_t id) {
  if (id >= units_.size() || units_[id]->users == 0) return;
  Unit& left = *units_[id];
  if (--left.users > 0) return;
  if (timeline_ && timeline_->on()) {
    timeline_->add(Timeline::kCompute, fmt::format("{}.{}", role_, left.name), left.entered,
                   Clock::now());
  }
  if (events_) events_->leave(first_ + id);
}

void gesso_weights::prefetch(uint32_t id) {
  if (events_ && id < units_.size() && units_[id]->users == 0) events_->prefetch(first_ + id);
}

uint64_t gesso_weights::mapped_bytes() const {
  uint64_t bytes = 0;
  for (const auto& unit : units_) {
    for (const Weight& weight : unit->weights) {
      if (!weight.absent && in_place(*unit, weight, plain_)) bytes += weight.stored.size_bytes();
    }
  }
  return bytes;
}

void gesso_weights::check_files() const {
  for (const auto& region : regions_) {
    try {
      region->check_unchanged();
    } catch (const Error& error) {
      throw Error(error.status(), fmt::format("{}: {}", component_, error.what()));
    }
  }
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
        // Bringing a unit is the memory policy's work; it is told as moves and bytes.
        const bool is_there = id < self->units_.size() && self->units_[id]->shown;
        const BoundaryClock::Scope timed(is_there ? self->clock_ : nullptr);
        return gesso::guard(call ? call->error : nullptr, [&] { self->enter(id, view); });
      },
      [](gesso_weights_t* self, uint32_t id) {
        const BoundaryClock::Scope timed(self->clock_);
        self->leave(id);
      },
      [](gesso_weights_t* self, uint32_t id) {
        const BoundaryClock::Scope timed(self->clock_);
        gesso::guard(nullptr, [&] { self->prefetch(id); });
      }};
  return table;
}
