// The service "gesso.weights/1" over weight files, and the moving of its units between places.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/weights/mapped_weights.hpp"
#include "engine/weights/storage_rule.hpp"
#include "gesso/cpp/error.hpp"
#include "gesso/kind/memory_policy.h"
#include "gesso/service/weights.h"
#include "runtime/boundary_clock.hpp"
#include "runtime/devices/device.hpp"
#include "runtime/loader.hpp"
#include "runtime/timeline.hpp"
#include "runtime/unit_store.hpp"

namespace gesso::base {
class FileRegion;
}

namespace gesso::runtime {

/// A tensor's C header over memory that somebody else owns.
class BorrowedTensor {
 public:
  BorrowedTensor(const weights::TensorView& view, DLDataType dtype, DLDevice device = {kDLCPU, 0});
  BorrowedTensor(BorrowedTensor&&) = default;
  BorrowedTensor& operator=(BorrowedTensor&&) = default;
  gesso_tensor_t* get() { return tensor_.get(); }

 private:
  std::vector<int64_t> shape_, strides_;
  std::unique_ptr<gesso_tensor_t> tensor_;
};

/// The DLPack type of an element type. @throws Error NotSupported for block formats
DLDataType dl_type(weights::DType dtype);

}  // namespace gesso::runtime

namespace gesso::runtime {

/// One update of one weight, as an adapter hands it over. Tensors are in the compute type.
struct WeightDelta {
  at::Tensor a, b;  // low rank: y += scale * (x a^T) b^T; undefined for other forms
  /// The weight [out, in] with the whole update, in float32, from the weight before it; for forms
  /// that are not of low rank.
  std::function<at::Tensor(const at::Tensor& base)> replace;
  double scale = 1;               // of the update
  uint64_t items = ~uint64_t{0};  // items of the batch that it applies to
  bool fuse = false;              // into a private copy even though the component could add it
  uint32_t id = 0;                // of an update that is trained: its gradients are told by it
  bool trainable = false;
};

/// A weight that takes updates.
struct DeltaTarget {
  std::string name;  // the request's, without ".weight"
  int64_t out_features = 0, in_features = 0;
  uint32_t unit = 0, place = 0;  // of the weight
};

/// A weight that can be trained.
struct TrainableWeight {
  std::string name;
  uint32_t unit = 0, place = 0;
  std::vector<int64_t> shape;
};

}  // namespace gesso::runtime

/// One component's weights: what the opaque handle of the C ABI is.
///
/// A unit is held in one place (or nowhere), and while it is used its views show it in the place of
/// computation. Where it is held is decided by whoever `watch`es; alone, a unit is taken from the
/// file with its first use and stays.
struct gesso_weights : public gesso::runtime::UnitStore {
 public:
  /// `compute_type`: what requests without a type get. `devices` must outlive this.
  gesso_weights(std::string component, std::string role,
                std::shared_ptr<const gesso::weights::MappedWeights> files,
                gesso::weights::DType compute_type, gesso::runtime::Devices& devices,
                gesso::runtime::BoundaryClock* clock);
  ~gesso_weights() override;

  static const gesso_weights_service_t& service();

  /// Before `prepare`: weights that the rule covers are stored so as they are declared.
  /// @throws Error  as weights::storage_format
  void set_storage(const gesso::weights::StorageRule& rule);
  const gesso::weights::Storing& storing() const { return storing_; }

  /// One entry per unit, for the policy; valid while no unit is added.
  std::vector<gesso_unit_info_t> unit_infos() const;
  /// From now on `events` are told of uses, counting this component's units from `first`, and
  /// `loader` reads ahead. All of them must outlive this, or be taken back by nulls.
  void watch(gesso::runtime::UnitEvents* events, size_t first, gesso::runtime::Loader* loader,
             gesso::runtime::Timeline* timeline);

  void set_reads_file(size_t unit, bool reads) override;
  bool is_narrow(size_t unit) const override;
  uint64_t bytes(size_t unit, const gesso::runtime::Place& place) const override;
  uint64_t copy_bytes(size_t unit) const override;
  bool computes_from(size_t unit, const gesso::runtime::Place& held,
                     const gesso::runtime::Place& computation) const override;
  uint64_t read_bytes(size_t unit, const gesso::runtime::Place& place) const override;
  void hold(size_t unit, const gesso::runtime::Place& place, bool ahead) override;
  void release(size_t unit) override;
  void show(size_t unit, const gesso::runtime::Place& computation) override;
  void hide(size_t unit) override;

  /// Every weight of rank 2 that is no buffer, in the order of declaration.
  std::vector<gesso::runtime::DeltaTarget> targets() const;
  /// Not while a unit is in use. Replaces the updates of target `index`, in the order in which they
  /// apply; empty: none. The stored weight is never written: updates of low rank are shown in the
  /// unit's view, others are added to a private copy when the unit is shown.
  void set_deltas(size_t index, std::vector<gesso::runtime::WeightDelta> deltas);
  /// Changes only which items the updates of a target apply to.
  void set_items(size_t index, const std::vector<uint64_t>& items);
  /// Whether updates of the target can be restricted to items of a batch.
  bool takes_items(size_t index, const gesso::runtime::WeightDelta& delta) const;
  /// A copy of what the component computes with, private changes included; what the component adds
  /// itself is not in it.
  at::Tensor placed(size_t index);
  gesso::weights::DType compute_type() const { return compute_type_; }

  /// Every weight that is there and no buffer, in the order of declaration.
  std::vector<gesso::runtime::TrainableWeight> trainable() const;
  /// A weight of the file in float32.
  at::Tensor stored(uint32_t unit, uint32_t place) const;
  /// Not while a unit is in use. Shows `value` (in the type that is computed with, contiguous) in
  /// place of the stored weight, marked as trained; an undefined tensor takes it back.
  void set_value(uint32_t unit, uint32_t place, const at::Tensor& value);
  /// The same for updates of target `index`, which act after those of adapters.
  void set_trained_deltas(size_t index, std::vector<gesso::runtime::WeightDelta> deltas);
  /// What `set_value` and `set_trained_deltas` gave was written to.
  void values_changed();

  const std::string& role() const { return role_; }
  uint64_t mapped_bytes() const;  // can be used from the files in place
  /// In copies held now: other types, other devices, read from disk, with updates. Any thread.
  uint64_t copied_bytes() const { return copied_bytes_; }
  /// @throws Error  naming the component when a file was changed since it was opened
  void check_files() const;

 private:
  struct Weight;
  struct Form;
  struct Unit;
  void describe(const char* name, DLTensor* meta);
  uint32_t declare(const char* name, const gesso_weight_request_t* const* requests, uint32_t count);
  void enter(uint32_t id, gesso_unit_view_t* view);
  void leave(uint32_t id);
  void prefetch(uint32_t id);
  std::optional<gesso::weights::DType> type_in(const Weight& weight,
                                               const gesso::runtime::Place& place) const;
  uint64_t bytes_in(const Weight& weight, const gesso::runtime::Place& place) const;
  bool in_place(const Unit& unit, const Weight& weight, const gesso::runtime::Place& place) const;
  Form lay_out(const Unit& unit, const gesso::runtime::Place& place) const;
  void fill(const Unit& unit, const Form& source, Form& form, unsigned threads) const;
  void settle(Unit& unit);
  void clear(Form& form);
  void show_weight(Weight& weight, const Form& form, size_t place);
  void show_deltas(Unit& unit);
  std::shared_ptr<const gesso::base::FileRegion> region_of(std::span<const std::byte> bytes);
  Unit& unit(uint32_t id);
  std::string where(const char* name) const;
  [[noreturn]] void fail(const Unit& unit, const gesso::Error& error) const;

  std::string component_, role_;
  std::shared_ptr<const gesso::weights::MappedWeights> files_;
  gesso::weights::DType compute_type_;
  gesso::runtime::Place plain_;  // main memory, as it is computed
  gesso::weights::Storing storing_;
  gesso::runtime::BoundaryClock* clock_;
  gesso::runtime::UnitEvents* events_ = nullptr;
  size_t first_ = 0;  // number of the first unit, for `events_`
  gesso::runtime::Loader* loader_ = nullptr;
  gesso::runtime::Timeline* timeline_ = nullptr;
  std::vector<std::unique_ptr<Unit>> units_;
  std::vector<std::shared_ptr<const gesso::base::FileRegion>> regions_;
  std::vector<std::pair<size_t, size_t>> targets_;                // unit and weight
  std::vector<std::unique_ptr<std::vector<int64_t>>> described_;  // shapes handed out by describe
  std::atomic<uint64_t> copied_bytes_ = 0;
};
