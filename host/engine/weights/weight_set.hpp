// The tensors of one checkpoint, whether it is one file or many.
#pragma once

#include "engine/weights/siblings.hpp"

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gesso::weights {

/// Views stay valid after the set is gone.
class WeightSet {
 public:
  /// Each path is a weight file, a `*.index.json`, a folder (its index, else its *.safetensors in
  /// name order, else its *.gguf), or a pattern whose last part has `*` or `?`.
  /// @throws Error  as `open_weight_file`; NotFound naming the shard or pattern without a file;
  ///                BadData naming a tensor that the index lists and no shard has, or that two
  ///                shards have; InvalidArgument for an empty list
  static WeightSet open(const std::filesystem::path& path);
  static WeightSet open(std::span<const std::filesystem::path> paths);

  const std::vector<TensorInfo>& tensors() const { return tensors_; }  ///< by name
  std::vector<std::string> names() const;                              ///< of the tensors
  /// What the tensors stand for: those that belong together are one weight. By name.
  const std::vector<NamedWeight>& weights() const { return weights_; }
  const std::vector<WeightFile>& files() const { return files_; }
  const TensorInfo* find(std::string_view name) const;  ///< null: no such tensor
  TensorView view(const TensorInfo& tensor) const;
  const std::filesystem::path& path_of(const TensorInfo& tensor) const;

  /// The metadata of all files; of equal keys the first file's.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  uint64_t size_bytes() const;   ///< of the tensors
  int64_t elements() const;      ///< of all tensors
  std::string describe() const;  ///< "model.safetensors" or "transformer/ (3 files)"

 private:
  explicit WeightSet(std::vector<WeightFile> files);

  std::vector<WeightFile> files_;
  std::vector<TensorInfo> tensors_;
  std::vector<NamedWeight> weights_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace gesso::weights
