// Updates that are not of low rank: the host asks for the whole new weight and adds what changed to
// a private copy.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "adapter/modules.hpp"

namespace gesso::adapter {

/// The update of a whole module [out, in] in float32.
using Update = at::Tensor (*)(const Module& module, const Targets& targets);

/// A part as a float32 matrix; a 1 x 1 convolution counts as one. @throws Error BadData
at::Tensor float_matrix(const Module& module, const std::string& part);

/// up @ down * alpha / rank.
at::Tensor low_rank_update(const Module& module, const Targets& targets);

/// Every module of a file, through `update`; with a magnitude, DoRA's rule on top of it:
/// W' = magnitude * (W + update) / norm, of each output row or of each input column, whichever the
/// shape of the magnitude says.
/// @throws Error  BadData naming key, found and expected; NotSupported for a fused projection whose
///                columns are normalised
std::unique_ptr<DeltaSet> open_whole(std::span<const gesso_named_tensor_t> tensors,
                                     std::span<const gesso_target_t> targets, const char* form,
                                     Update update);

}  // namespace gesso::adapter
