// Writes a GGUF file (version 3) tensor by tensor, with bounded memory, all or nothing.
#pragma once

#include "engine/weights/safetensors_writer.hpp"

namespace gesso::weights {

/// Usage as of SafetensorsWriter.
class GgufWriter {
 public:
  /// @param metadata  texts, such as {"general.architecture", "lumina2"}
  /// @throws Error  InvalidArgument for a repeated name, a bad shape or a type that GGUF does not
  ///                have; Denied when the folder cannot be written or the disk is full
  GgufWriter(std::filesystem::path path, const std::vector<TensorSpec>& tensors,
             const std::map<std::string, std::string>& metadata);

  /// Appends bytes of the next tensor, which may come in pieces.
  /// @throws Error  Denied when the disk is full; InvalidArgument for more bytes than planned
  void write(std::span<const std::byte> bytes);
  /// @throws Error  BadState when tensors are missing; Denied as above
  void finish();

 private:
  std::filesystem::path path_;
  base::AtomicFile file_;
  std::vector<uint64_t> sizes_;
  size_t next_ = 0;       // tensor that is written
  uint64_t written_ = 0;  // bytes of it
};

}  // namespace gesso::weights
