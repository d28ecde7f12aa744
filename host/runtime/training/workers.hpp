// The processes of one training run: who this one is, and what they do together.
//
// All workers call the collective functions in the same order with the same shapes. When one of
// them is gone, those of the others end with an error that names it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/launch.hpp"
#include "engine/data/dataset.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::runtime {

/// Something that goes on between workers; the tensor must not be touched before `wait` returns.
class Transfer {
 public:
  virtual ~Transfer() = default;
  /// @throws Error  Denied naming the worker that was lost; whatever another worker ended with
  virtual void wait() = 0;
};

class Workers {
 public:
  virtual ~Workers() = default;
  virtual data::Worker self() const = 0;
  /// "worker 1 (host, process 4242)"
  virtual std::string name_of(uint32_t rank) const = 0;
  bool first() const { return self().rank == 0; }
  bool alone() const { return self().count == 1; }

  // Tensors are contiguous and changed in place; float32 or float64, and bytes where nothing is
  // added up.

  /// Sums for all.
  virtual std::unique_ptr<Transfer> sum(const at::Tensor& tensor) = 0;
  /// Sums for `root`; what others have afterwards is not said.
  virtual std::unique_ptr<Transfer> sum_at(const at::Tensor& tensor, uint32_t root) = 0;
  /// What `root` has, for all.
  virtual std::unique_ptr<Transfer> broadcast(const at::Tensor& tensor, uint32_t root) = 0;
  /// From one to another; nothing happens in third ones.
  virtual void move(const at::Tensor& tensor, uint32_t from, uint32_t to) = 0;

  /// What each worker gives: [worker][number]. All give equally many.
  std::vector<std::vector<double>> share(const std::vector<double>& mine);
  /// What the first worker gives.
  std::string from_first(std::string text);
  void barrier() { share({0}); }

  /// This worker ends with `error`: tells the others why. Returns the error to end with, which
  /// names another worker when that one is the cause.
  virtual Error give_up(const Error& error) = 0;
};

/// One that is alone.
std::unique_ptr<Workers> no_other_workers();
/// Those of a launcher. Waits for all of them.
/// @throws Error  NotSupported in a build without Gloo; Denied when they do not meet
std::unique_ptr<Workers> join_workers(const base::Launch& launch);
/// By the environment.
std::unique_ptr<Workers> join_workers();

}  // namespace gesso::runtime
