// What a weight file holds, once its header has been read and checked.
#pragma once

#include "engine/base/mapped_file.hpp"
#include "engine/weights/tensor_view.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gesso::weights {

/// One tensor of a file. `offset` and `size_bytes` lie inside the file: that was checked.
struct TensorInfo : NamedShape {
  DType dtype = DType::F32;
  uint64_t offset = 0;
  uint64_t size_bytes = 0;
  size_t file = 0;  ///< index into `WeightSet::files()`
};

struct WeightFile {
  std::shared_ptr<const base::MappedFile> mapping;
  std::string format;                           ///< "safetensors" or "gguf"
  std::vector<TensorInfo> tensors;              ///< in the order of the header
  std::map<std::string, std::string> metadata;  ///< safetensors `__metadata__`; GGUF values as text
};

/// Opens one file and checks every claim of its header against the file. What it is, is decided by
/// its content; a name that says otherwise is an error.
/// @throws Error  as `base::MappedFile::open`; BadData naming file, claim and fact for anything
/// malformed;
///                NotSupported for pickles (.bin, .pt, .ckpt: loading one can run code) and for
///                element types that Gesso does not know
WeightFile open_weight_file(const std::filesystem::path& path);

/// The two readers behind it; `mapping` is known to start like a file of that format.
WeightFile read_safetensors(std::shared_ptr<const base::MappedFile> mapping);
WeightFile read_gguf(std::shared_ptr<const base::MappedFile> mapping);

}  // namespace gesso::weights
