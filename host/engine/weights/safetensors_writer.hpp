// Writes a safetensors file tensor by tensor, with bounded memory, all or nothing.
#pragma once

#include "engine/base/atomic_file.hpp"
#include "engine/weights/tensor_view.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace gesso::weights {

struct TensorSpec : NamedShape {
  DType dtype = DType::F32;
};

/// Usage: construct, `write` the bytes of all tensors in the order given, `finish`. The file
/// appears under its name only in `finish`; until then there is only a temporary file beside it,
/// which the destructor removes.
class SafetensorsWriter {
 public:
  /// Plans the file and writes its header.
  /// @throws Error  InvalidArgument for a repeated name, a bad shape or a block format; Denied when
  ///                the folder cannot be written or the disk is full
  SafetensorsWriter(std::filesystem::path path, const std::vector<TensorSpec>& tensors,
                    const std::map<std::string, std::string>& metadata = {});

  /// Appends bytes; a tensor may come in pieces.
  /// @throws Error  Denied when the disk is full; InvalidArgument for more bytes than planned
  void write(std::span<const std::byte> bytes);

  /// Flushes to disk and gives the file its name.
  /// @throws Error  BadState when bytes are missing; Denied as above
  void finish();

 private:
  std::filesystem::path path_;
  base::AtomicFile file_;
  uint64_t missing_bytes_ = 0;
};

struct NamedTensor {
  std::string name;
  TensorView view;
};

/// All at once.
void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// The header that the writer makes: length field and JSON, padded to 8 bytes.
std::string safetensors_header(const std::vector<TensorSpec>& tensors,
                               const std::map<std::string, std::string>& metadata);

}  // namespace gesso::weights
