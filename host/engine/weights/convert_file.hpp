// A checkpoint once more: in another layout, container or storage format, or with other values.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/weights/component_pattern.hpp"
#include "engine/weights/recognise.hpp"
#include "engine/weights/storage_rule.hpp"
#include "engine/weights/weight_set.hpp"

namespace gesso::weights {

struct ConvertOptions {
  std::string layout;                 ///< of the result; "": native, in .gguf the first one that
                                      ///< has an architecture
  std::optional<std::string> prefix;  ///< one of the layout's; nothing: its first
  StorageRule rule;                   ///< `format` "": weights keep theirs as far as the file can
  uint64_t max_shard_bytes = 0;       ///< 0: one file
};

/// Changes values of a component on their way.
struct WeightEdit {
  /// Canonical names of weights that are changed.
  std::function<bool(const std::string& name)> touches = [](const std::string&) { return false; };
  /// The new values of such a weight from its present ones, both float32 and of one shape.
  std::function<TensorView(const std::string& name, const TensorView& values)> apply;
};

struct ConvertResult {
  std::vector<std::filesystem::path> files;
  std::string layout, prefix;  ///< of the result
  size_t tensors = 0;          ///< weights that were written, by the names of the result
  size_t stored = 0;           ///< of them: in the format that was wanted
  size_t decoded = 0;          ///< of them: from blocks that the container does not have
  size_t requantised = 0;      ///< of them: from one narrow format to another; errors add up
  uint64_t bytes_before = 0, bytes_after = 0;
  std::vector<std::string> left;      ///< matrices whose rows do not fit blocks; as they were
  std::vector<std::string> left_out;  ///< weights of the file that the component does not use
};

/// Bytes of the result so far, and of all of it; may throw to end the work, and nothing is left.
using ConvertProgress = std::function<void(uint64_t done, uint64_t total, const std::string& name)>;

/// Streams: one weight at a time is in memory, and plain values are copied as they are, also when
/// parts become a fused tensor.
/// @param match  exact, of `pattern` with `set`
/// @throws Error  InvalidArgument for an unknown format or prefix, an ending that the format does
///                not go with, entries of the rule that mean nothing; NotFound for an unknown
///                layout; NotSupported when quantised parts cannot be fused without loss; Denied
///                when the file cannot be written
ConvertResult convert_file(const WeightSet& set, const ComponentPattern& pattern,
                           const Match& match, const std::filesystem::path& path,
                           const ConvertOptions& options, const ConvertProgress& progress,
                           const WeightEdit& edit = {});

}  // namespace gesso::weights
