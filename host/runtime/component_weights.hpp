// The service "gesso.weights/1" over mapped files, and what a memory policy may do to units.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/weights/mapped_weights.hpp"
#include "gesso/kind/memory_policy.h"
#include "gesso/service/weights.h"
#include "runtime/boundary_clock.hpp"

namespace gesso::runtime {

/// A tensor's C header over memory that somebody else owns.
class BorrowedTensor {
 public:
  BorrowedTensor(const weights::TensorView& view, DLDataType dtype);
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

/// One component's weights: what the opaque handle of the C ABI is.
struct gesso_weights {
 public:
  /// `compute_type`: what requests without a type get.
  gesso_weights(std::string component, std::string role,
                std::shared_ptr<const gesso::weights::MappedWeights> files,
                gesso::weights::DType compute_type, gesso::runtime::BoundaryClock* clock);
  ~gesso_weights();

  static const gesso_weights_service_t& service();

  /// One entry per unit, for the policy; valid while no unit is added.
  std::vector<gesso_unit_info_t> unit_infos() const;
  /// @throws Error NotSupported for a place that this host cannot serve
  void set_plan(size_t unit, const gesso_unit_plan_t& plan);
  /// Brings a unit to a state of its plan (GESSO_PLACE_*). Units in use stay where they are.
  void move(size_t unit, int32_t state);

  const std::string& role() const { return role_; }
  uint64_t mapped_bytes() const;  // used from the files in place
  uint64_t copied_bytes() const;  // converted or realigned copies held now

 private:
  struct Weight;
  struct Unit;
  void describe(const char* name, DLTensor* meta);
  uint32_t declare(const char* name, const gesso_weight_request_t* const* requests, uint32_t count);
  void enter(uint32_t id, gesso_unit_view_t* view);
  void leave(uint32_t id);
  void place(Unit& unit);
  void drop(Unit& unit);
  Unit& unit(uint32_t id);
  std::string where(const char* name) const;

  std::string component_, role_;
  std::shared_ptr<const gesso::weights::MappedWeights> files_;
  gesso::weights::DType compute_type_;
  gesso::runtime::BoundaryClock* clock_;
  std::vector<std::unique_ptr<Unit>> units_;
  std::vector<std::unique_ptr<std::vector<int64_t>>> described_;  // shapes handed out by describe
};
