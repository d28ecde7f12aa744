// Writes a GGUF file (version 3) tensor by tensor, with bounded memory, all or nothing.
#pragma once

#include "engine/weights/safetensors_writer.hpp"

namespace gesso::weights {

/// Usage as of SafetensorsWriter, but each `write` is one tensor.
class GgufWriter {
 public:
  /// @param metadata  texts, such as {"general.architecture", "lumina2"}
  /// @throws Error  InvalidArgument for a repeated name, a bad shape or a type that GGUF does not
  ///                have; Denied when the folder cannot be written or the disk is full
  GgufWriter(std::filesystem::path path, const std::vector<TensorSpec>& tensors,
             const std::map<std::string, std::string>& metadata);

  /// @throws Error  Denied when the disk is full; InvalidArgument for another number of bytes than
  ///                planned
  void write(std::span<const std::byte> tensor);
  /// @throws Error  BadState when tensors are missing; Denied as above
  void finish();

 private:
  std::filesystem::path path_;
  base::AtomicFile file_;
  std::vector<uint64_t> sizes_;
  size_t next_ = 0;
};

}  // namespace gesso::weights
