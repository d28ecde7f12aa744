// How a stored weight lies in a file: as one tensor, or as several with related names. The way back
// from siblings.hpp.
#pragma once

#include "engine/weights/safetensors_writer.hpp"
#include "engine/weights/stored_weight.hpp"

namespace gesso::weights {

/// The tensors of a weight: those of bitsandbytes for Table4, those of ComfyUI for Scaled, itself
/// for Plain. Nothing is read: an outline does.
/// @throws Error  NotSupported naming the weight, for a part of a fused weight that shares blocks
///                with another part
std::vector<TensorSpec> file_tensors(const std::string& name, const StoredWeight& weight);

/// Bytes of these tensors, in their order; the weight must live as long.
/// @param before  type of the numbers that the weight decodes to, as bitsandbytes notes it
std::vector<TensorView> file_data(const StoredWeight& weight, DType before);

/// What `encode` makes of a weight of this shape, without data.
StoredWeight outline(const Shape& shape, StorageFormat format);

/// A matrix of a linear layer: two extents, and a name that ends with ".weight" but is no table's
/// (embed_tokens, token_embd ...).
bool is_linear(const NamedShape& weight);

}  // namespace gesso::weights
