// What is asked of a weight file, whatever its format.
#pragma once

#include <vector>

#include "engine/weights/inspect.hpp"
#include "engine/weights/stored_weight.hpp"
#include "input.hpp"

namespace gesso::fuzz {

inline std::vector<weights::ComponentPattern> known_patterns() {
  const std::filesystem::path plugins = std::filesystem::path(GESSO_SOURCE_DIR) / "plugins";
  return {weights::load_component_pattern("dit", plugins / "common/z_image/weights.toml"),
          weights::load_component_pattern("vae", plugins / "codec/flux_vae/weights.toml"),
          weights::load_component_pattern("text", plugins / "text_encoder/qwen3/weights.toml")};
}

/// Opens it, recognises it, describes it as `gesso inspect` does, and reads every number.
inline void read_weights(const std::filesystem::path& path) {
  static const std::vector<weights::ComponentPattern> patterns = known_patterns();
  const auto set = weights::WeightSet::open(path);
  check_message(weights::inspect_json(set, patterns).dump());
  for (const weights::NamedWeight& weight : set.weights()) {
    if (!weight.problem.empty()) continue;
    expect_no_more_than_an_error([&] { decode(weight.weight, weights::DType::F32, 1); });
  }
}

}  // namespace gesso::fuzz
