// Checkpoints of any size with random content, for tests and measurements without a download.
#pragma once

#include "engine/weights/component_pattern.hpp"

#include <filesystem>

namespace gesso::weights {

/// Writes one safetensors file in the native layout: weights about N(0, 0.02), weights of norms
/// about
/// 1. Memory stays below 64 MB. The same arguments give the same bytes. A file of that name which
/// this function wrote with the same arguments is kept.
/// @param dtype   F32, F16 or BF16
/// @return        false when the file was there already
/// @throws Error  as `expand` and `SafetensorsWriter`; InvalidArgument when another file is there
bool synthesize(const ComponentPattern& pattern, const Dimensions& dimensions,
                const std::filesystem::path& path, DType dtype = DType::BF16, uint64_t seed = 0);

}  // namespace gesso::weights
