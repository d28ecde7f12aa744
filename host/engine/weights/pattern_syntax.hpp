// The little language of tensor patterns; its grammar is in component_pattern.hpp.
#pragma once

#include "engine/weights/component_pattern.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gesso::weights {

/// @throws Error  InvalidArgument telling what is wrong with `name` or `shape`
TensorPattern parse_tensor_pattern(std::string_view name, std::string_view shape);

/// The values of the indices when `name` is one that the pattern describes.
std::optional<std::vector<int64_t>> match_name(const TensorPattern& pattern, std::string_view name);

/// The name for these values of the indices.
std::string fill_name(const TensorPattern& pattern, std::span<const int64_t> indices);

/// Key of a size in `Dimensions::sizes`: "D", or "C[2]".
std::string size_key(const SizeTerm& term, std::span<const int64_t> indices);

/// The extent, or nothing when it is open, its size is not known or the product exceeds 63 bits.
std::optional<int64_t> extent_of(const SizeTerm& term, std::span<const int64_t> indices,
                                 const std::map<std::string, int64_t>& sizes);

/// False only when the pattern has a condition that is known not to hold.
bool exists(const TensorPattern& pattern, std::span<const int64_t> indices,
            const std::map<std::string, int64_t>& sizes);

/// Calls `visit` with each combination of indices that the counts allow; a missing count is 0.
void for_each_index(const TensorPattern& pattern, const std::map<std::string, int64_t>& counts,
                    const std::function<void(std::span<const int64_t>)>& visit);

/// How often that would call, as a floating-point number: hostile files claim absurd counts.
double index_combinations(const TensorPattern& pattern,
                          const std::map<std::string, int64_t>& counts);

}  // namespace gesso::weights
