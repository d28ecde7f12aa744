// Updates that are not of low rank: the host asks for the whole new weight and adds what changed to
// a private copy.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "adapter/modules.hpp"
#include "gesso/cpp/delta_training.hpp"

namespace gesso::adapter {

/// The parts of a module as float32 tensors; on request leaves of autograd.
class Parts {
 public:
  explicit Parts(const Module& module, bool tracked = false) : module(module), tracked_(tracked) {}
  /// A 1 x 1 convolution counts as a matrix. @throws Error BadData
  at::Tensor matrix(const std::string& part) const;
  /// Of any shape. @throws Error BadData when it is missing
  at::Tensor tensor(const std::string& part) const;
  /// The leaves that were asked for.
  const std::map<std::string, at::Tensor>& leaves() const { return leaves_; }

  const Module& module;

 private:
  bool tracked_;
  mutable std::map<std::string, at::Tensor> leaves_;
};

/// The update of a whole module [out, in] in float32. Nothing that autograd keeps is written over.
using Update = at::Tensor (*)(const Parts& parts, const Targets& targets);

/// up @ down * alpha / rank.
at::Tensor low_rank_update(const Parts& parts, const Targets& targets);

/// Every module of a file, through `update`; with a magnitude, DoRA's rule on top of it:
/// W' = magnitude * (W + update) / norm, of each output row or of each input column, whichever the
/// shape of the magnitude says.
/// @throws Error  BadData naming key, found and expected; NotSupported for a fused projection whose
///                columns are normalised
std::unique_ptr<DeltaSet> open_whole(std::span<const gesso_named_tensor_t> tensors,
                                     std::span<const gesso_target_t> targets, const char* form,
                                     Update update);

/// The way back of one update of one weight, by the names of its parts.
/// @throws Error  BadData unless the parts are one module of the target
std::vector<NamedPart> back_whole(std::span<const gesso_named_tensor_t> tensors,
                                  const gesso_target_t& target, gesso_tensor_t* base,
                                  gesso_tensor_t* weight_grad, Update update);

/// Numbers uniform between -bound and bound.
at::Tensor uniform(std::vector<int64_t> shape, double bound, uint64_t seed);

}  // namespace gesso::adapter
