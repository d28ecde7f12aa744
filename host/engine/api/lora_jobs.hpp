// What the job "convert" does with LoRA files: into weights, into one another, out of weights.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/api/byte_progress.hpp"
#include "engine/api/weight_files.hpp"
#include "engine/weights/convert_file.hpp"
#include "runtime/adapter_file.hpp"

namespace gesso::api {

struct LoraInput {
  std::filesystem::path path;
  double scale = 1;
};

struct LoraOptions {
  std::filesystem::path output;
  std::string component;         ///< id; "": the one that fits
  std::string dialect;           ///< "": the first
  std::string format;            ///< "f32", "bf16", "f16"; "": as they are
  int64_t rank = 0;              ///< 0: exact
  bool allow_unmatched = false;  ///< keys that match nothing are left out
};

/// What jobs about LoRAs work with.
struct LoraWork {
  std::shared_ptr<registry::Registry> registry;
  std::function<runtime::AdapterTools&()> tools;
  Job& job;
};

/// Whether some delta source reads the file.
bool is_adapter(const weights::WeightSet& set, const registry::Registry& registry);

/// LoRAs that are added to weights on their way. Keeps the files open.
/// @throws Error  Incompatible for keys that match nothing, as in a pipeline
weights::WeightEdit merging(const LoraWork& work, const std::vector<LoraInput>& loras,
                            const Recognised& found, const weights::WeightSet& set,
                            bool allow_unmatched);

/// LoRAs, each times its scale, as one file.
/// @return  {"files", "component", "from": {"dialect"}, "to": {"dialect"}, "modules", "ranks",
///          "rounded", "error": number | null, "bytes_after"}
nlohmann::json convert_loras(const LoraWork& work, const std::vector<LoraInput>& loras,
                             const LoraOptions& options);

/// The LoRA that is nearest to what `tuned` changed of `base`.
/// @return  as above; "left_out": weights that changed, and that no LoRA can hold
nlohmann::json extract_lora(const LoraWork& work, const weights::WeightSet& tuned,
                            const std::filesystem::path& base, const LoraOptions& options);

}  // namespace gesso::api
