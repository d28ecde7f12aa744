// A folder of encoded items: what `sft:data_process` writes and `sft:train` reads.
//
//   cache.json           the index: format, how it was made, one entry per item
//   items/000012.safetensors   the tensors of row 12: captions without padding, latents, controls
//
// Each item file appears whole or not at all, and its header tells all that the index tells, so a
// run that was stopped goes on with the rows that are missing. The index is written last; without
// it the cache is not complete.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/data/dataset.hpp"
#include "engine/weights/safetensors_writer.hpp"

namespace gesso::data {

/// One encoded item.
struct CacheEntry {
  size_t row = 0;
  std::string where, prompt;  // of the metadata
  Extent extent;              // `caption` in tokens
  nlohmann::json extra = nlohmann::json::object();
  std::vector<weights::NamedTensor> tensors;  // such as "input_latents", "prompt_embeds"
};

/// Writers of several workers may share a folder when their rows differ.
class CacheWriter {
 public:
  /// @param maker  what the encoding depends on: components, their files, sizes
  /// @throws Error Incompatible when the folder holds items that were made otherwise; Denied when
  /// it
  ///               cannot be made
  CacheWriter(std::filesystem::path folder, nlohmann::json maker);

  /// Whether the row is there already, whole and made of the same caption.
  bool has(size_t row, const std::string& prompt) const;
  /// @throws Error Denied: the disk is full, the folder cannot be written
  void add(const CacheEntry& entry);
  /// Writes the index over all items of the folder, by one of the writers when all have ended.
  /// @throws Error BadState naming rows below `rows` that are missing
  void finish(size_t rows, const std::vector<size_t>& left_out = {});

 private:
  std::filesystem::path file_of(size_t row) const;

  std::filesystem::path folder_;
  nlohmann::json maker_;
};

/// The items of a finished cache. Every file is checked when it is read: size, names, checksum.
class CacheDataset : public Dataset {
 public:
  /// @throws Error  NotFound without an index; BadData for one that is damaged or empty
  explicit CacheDataset(const std::filesystem::path& folder);

  size_t size() const override { return entries_.size(); }
  Extent extent(size_t row) const override { return entries_.at(row).extent; }
  Item load(size_t row) const override;
  std::string where(size_t row) const override { return entries_.at(row).where; }
  /// How it was made.
  const nlohmann::json& maker() const { return maker_; }

 private:
  struct Entry {
    std::filesystem::path file;
    std::string where, prompt;
    Extent extent;
    nlohmann::json extra;
    uint32_t checksum = 0;
  };
  nlohmann::json maker_;
  std::vector<Entry> entries_;
};

}  // namespace gesso::data
