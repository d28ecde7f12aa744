// What a plugin's components need to be tried: tiny weights, values, extents of ports. Written as
// TOML, one table a component; docs/validate.md describes the keys.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace gesso::validate {

struct Sample {
  std::vector<std::filesystem::path> weights;  // empty: none are given
  nlohmann::json config;                       // of the config.json beside the weights
  nlohmann::json values, run_values;           // of prepare; of every operation
  std::map<std::string, int64_t> sizes;        // extent of a port's letter: {"C": 16, "H": 8}
  std::vector<std::string> feed;               // optional inputs that are fed as well
  std::map<std::string, int64_t> features;     // width that a stand-in for a role gives
  std::filesystem::path adapter;               // of a delta_source: a file that it can read
};

using Samples = std::map<std::string, Sample>;  // by component id

/// Adds what the file says; a component that was there is replaced. Paths are relative to the file.
/// @throws Error  InvalidArgument with file:line:column
void read_samples(const std::filesystem::path& file, Samples& samples);

}  // namespace gesso::validate
