// A checkpoint as one file or as shards, safetensors or GGUF, all or nothing.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/weights/safetensors_writer.hpp"

namespace gesso::weights {

/// Writes the tensors of a plan one after another. Every file has a temporary name until `finish`.
class CheckpointWriter {
 public:
  struct Options {
    std::map<std::string, std::string> metadata;
    uint64_t max_shard_bytes = 0;  ///< of tensors in one safetensors file; 0: no limit
  };
  /// @param path  ends with .safetensors or .gguf. With several shards the files are called
  ///              "model-00001-of-00003.safetensors" and "model.safetensors.index.json", as
  ///              diffusers and transformers name them
  /// @throws Error  InvalidArgument for another ending, shards of GGUF, or what the format cannot
  ///                hold; Denied when the folder cannot be written or the disk is full
  CheckpointWriter(const std::filesystem::path& path, const std::vector<TensorSpec>& tensors,
                   const Options& options);
  ~CheckpointWriter();

  /// Bytes of the tensor that is next; it may come in pieces. @throws Error as the writers
  void write(std::span<const std::byte> bytes);
  /// Gives all files their names, the index last. @return them
  std::vector<std::filesystem::path> finish();

 private:
  struct Shard;

  std::filesystem::path path_;
  std::vector<std::unique_ptr<Shard>> shards_;
  size_t at_ = 0;  // shard that is written
};

/// Whether the path names a GGUF file. @throws Error InvalidArgument for neither of the two endings
bool is_gguf(const std::filesystem::path& path);

}  // namespace gesso::weights
