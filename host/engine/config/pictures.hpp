// How prompts and seeds combine to pictures.
//
// Lists of the same length are paired; a single prompt, negative prompt or seed goes with every
// picture. `num_images` above 1 repeats what is single, and a single seed then counts up: seed,
// seed + 1, ... All other combinations are errors.
#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

namespace gesso::config {

/// @param values  checked parameters of [generate]: `prompt`, `negative_prompt` and `seed` are
/// lists;
///                absent ones count as single
/// @throws Error  InvalidArgument naming the two that disagree, with their lengths
int64_t count_pictures(const nlohmann::json& values);

}  // namespace gesso::config
