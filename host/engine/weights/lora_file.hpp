// LoRA files: updates of low rank put together and written in a dialect.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/weights/lora_names.hpp"
#include "engine/weights/low_rank.hpp"
#include "engine/weights/tensor_view.hpp"

namespace gesso::weights {

struct DownUp {
  TensorView down, up;
};

/// One module of a file that is to be written.
struct LoraModule {
  std::string name;  ///< canonical
  int64_t out = 0, in = 0, rank = 0;
  DType type = DType::BF16;
  double scale = 1;                ///< alpha / rank, as it will be noted
  bool rounded = false;            ///< `make` multiplies parts and rounds them
  std::function<DownUp()> make;    ///< parts of these extents and this type
  std::optional<TensorView> down;  ///< the down part, where it is there without `make`
};

/// The updates of one weight as one: exact in real numbers. A single one stays as it is; several
/// stand side by side, and where their scales differ, the up parts are multiplied and rounded once.
/// @param updates  of one module, not empty
/// @param type     of the parts
/// @throws Error   Incompatible for updates of different extents
LoraModule concatenated(std::vector<LowRankUpdate> updates, DType type);

/// The element type that parts of these updates have in common; F32 when they differ.
DType common_type(const std::vector<LowRankUpdate>& updates);

struct LoraWritten {
  size_t modules = 0;  ///< of the file
  size_t rounded = 0;  ///< of them: parts were multiplied and rounded, as the dialect wants it
  uint64_t bytes = 0;
};

/// Streams: one module at a time is made and written. Where the dialect's layout has one module
/// for several weights, equal down parts are shared; others stand side by side, so that the rank is
/// the sum.
/// @param progress  as of convert_file
LoraWritten write_lora(
    const std::filesystem::path& path, const std::vector<LoraModule>& modules,
    const LoraNames& names, const std::map<std::string, std::string>& metadata,
    const std::function<void(uint64_t done, uint64_t total, const std::string& name)>& progress);

}  // namespace gesso::weights
