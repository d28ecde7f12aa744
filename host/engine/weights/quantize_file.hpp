// A checkpoint once more, in another storage format.
#pragma once

#include "engine/weights/storage_rule.hpp"
#include "engine/weights/weight_set.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace gesso::weights {

struct QuantizeOptions {
  StorageRule rule;
  std::string architecture;  ///< of a GGUF file; "": as in the file that is read, else "unknown"
};

struct QuantizeResult {
  size_t quantised = 0, kept = 0;  ///< weights
  uint64_t bytes_before = 0, bytes_after = 0;
  std::vector<std::string>
      left;                   ///< matrices that the rule means, but whose rows do not fit blocks
  double error = 0;           ///< ||stored - given|| / ||given|| over all that were quantised
  double decode_seconds = 0;  ///< what it took to decode these once, to bf16
};

/// Called before each weight; may throw to end the work, and nothing is left behind.
using QuantizeProgress = std::function<void(const std::string& name, size_t done, size_t total)>;

/// Writes the weights of `set` to `path`: blocks of GGUF into a .gguf file, all else into
/// .safetensors, with the tensors and names that bitsandbytes (nf4, fp4) and ComfyUI (fp8_scaled,
/// int8_row) use. Other weights are copied as they are. Holds one weight at a time.
///
/// A weight is taken for a matrix of a linear layer when it has two extents and its name ends with
/// ".weight", unless the layer is called as look-up tables are: embed_tokens, token_embd ...
/// @throws Error  InvalidArgument for an unknown format, a wrong ending of `path`, entries of the
///                rule that mean nothing, or when nothing is left to quantise; Denied when the file
///                cannot be written
QuantizeResult quantize_file(const WeightSet& set, const std::filesystem::path& path,
                             const QuantizeOptions& options, const QuantizeProgress& progress);

}  // namespace gesso::weights
