#include "engine/data/cache.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/base/atomic_file.hpp"
#include "engine/base/crc32c.hpp"
#include "engine/base/json_text.hpp"
#include "engine/base/mapped_file.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFormat = "gesso-cache/1";
constexpr const char* kIndex = "cache.json";
constexpr const char* kItems = "items";
constexpr const char* kKey = "gesso.item";  // of a file's metadata
constexpr size_t kNamedRows = 10;           // of those missing, in one message

uint32_t checksum_of(const weights::WeightSet& tensors) {
  uint32_t checksum = 0;
  for (const weights::TensorInfo& tensor : tensors.tensors()) {
    checksum = base::crc32c(std::as_bytes(std::span(tensor.name)), checksum);
    checksum = base::crc32c(tensors.view(tensor).bytes, checksum);
  }
  return checksum;
}

/// Sorted by name, as a file gives them back.
uint32_t checksum_of(std::vector<weights::NamedTensor> tensors) {
  std::ranges::sort(tensors, {}, &weights::NamedTensor::name);
  uint32_t checksum = 0;
  for (const weights::NamedTensor& tensor : tensors) {
    checksum = base::crc32c(std::as_bytes(std::span(tensor.name)), checksum);
    checksum = base::crc32c(tensor.view.bytes, checksum);
  }
  return checksum;
}

/// What the header of an item file tells; null when it is none of ours.
json header_of(const weights::WeightSet& tensors) {
  const auto& metadata = tensors.metadata();
  const auto found = metadata.find(kKey);
  if (found == metadata.end()) return nullptr;
  return base::parse_json(found->second);
}

/// The same of a file that may be missing or damaged.
json header_of(const fs::path& file) {
  std::error_code none;
  if (!fs::is_regular_file(file, none)) return nullptr;
  try {
    return header_of(weights::WeightSet::open(file));
  } catch (const Error&) {
    return nullptr;
  }
}

std::vector<fs::path> item_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code none;
  for (const auto& file : fs::directory_iterator(folder / kItems, none)) {
    if (file.path().extension() == ".safetensors") files.push_back(file.path());
  }
  std::ranges::sort(files);
  return files;
}

json read_index(const fs::path& folder) {
  const fs::path path = folder / kIndex;
  if (!fs::is_regular_file(path)) {
    throw Error(Status::NotFound,
                fmt::format("{}: there is no {}; expected the output folder of a run with task = "
                            "\"sft:data_process\" that came to its end",
                            folder.string(), kIndex));
  }
  const auto file = base::MappedFile::open(path);
  const auto* text = reinterpret_cast<const char*>(file->bytes().data());
  json index = json::parse(text, text + file->bytes().size(), nullptr, /*allow_exceptions=*/false);
  if (index.is_object() && index.value("format", "") == kFormat && index.contains("items"))
    return index;
  throw Error(Status::BadData,
              fmt::format("{}: is no index of the format {}; run data_process again", path.string(),
                          kFormat));
}

}  // namespace

CacheWriter::CacheWriter(fs::path folder, json maker)
    : folder_(std::move(folder)), maker_(std::move(maker)) {
  std::error_code error;
  fs::create_directories(folder_ / kItems, error);
  if (error) {
    throw Error(Status::Denied, fmt::format("{}: the cache's folder cannot be made: {}",
                                            folder_.string(), error.message()));
  }
  for (const fs::path& file : item_files(folder_)) {
    const json header = header_of(file);
    if (!header.is_object() || header["maker"] == maker_) continue;
    throw Error(
        Status::Incompatible,
        fmt::format("{}: this cache was made with other models or sizes ({}, now {}); remove "
                    "the folder, or name another output_path",
                    folder_.string(), header["maker"].dump(), maker_.dump()));
  }
}

fs::path CacheWriter::file_of(size_t row) const {
  return folder_ / kItems / fmt::format("{:06}.safetensors", row);
}

bool CacheWriter::has(size_t row, const std::string& prompt) const {
  const json header = header_of(file_of(row));
  return header.is_object() && header["row"] == row && header["prompt"] == prompt;
}

void CacheWriter::add(const CacheEntry& entry) {
  const json header = {{"row", entry.row},
                       {"where", entry.where},
                       {"prompt", entry.prompt},
                       {"width", entry.extent.width},
                       {"height", entry.extent.height},
                       {"tokens", entry.extent.caption},
                       {"extra", entry.extra},
                       {"crc32c", checksum_of(entry.tensors)},
                       {"maker", maker_}};
  weights::write_safetensors(file_of(entry.row), entry.tensors, {{kKey, header.dump()}});
}

void CacheWriter::finish(size_t rows, const std::vector<size_t>& left_out) {
  json items = json::array();
  std::vector<bool> there(rows);
  for (const fs::path& file : item_files(folder_)) {
    json header = header_of(file);
    if (!header.is_object() || header["row"] >= rows) continue;  // of a longer dataset, before
    there[header["row"]] = true;
    header.erase("maker");
    header["file"] = fmt::format("{}/{}", kItems, file.filename().string());
    items.push_back(std::move(header));
  }
  for (const size_t row : left_out) there.at(row) = true;
  std::vector<size_t> missing;
  for (size_t row = 0; row < rows; ++row) {
    if (!there[row]) missing.push_back(row);
  }
  if (!missing.empty()) {
    const size_t count = missing.size();
    missing.resize(std::min(count, kNamedRows));
    throw Error(Status::BadState,
                fmt::format("{}: {} rows are not in the cache: {}{}", folder_.string(), count,
                            fmt::join(missing, ", "), count > kNamedRows ? ", ..." : ""));
  }
  const json index = {{"format", kFormat}, {"maker", maker_}, {"items", items}};
  base::write_file(folder_ / kIndex, index.dump(1) + "\n");
}

CacheDataset::CacheDataset(const fs::path& folder) {
  const json index = read_index(folder);
  maker_ = index.value("maker", json());
  try {
    for (const json& item : index["items"]) {
      entries_.push_back({folder / item.at("file").get<std::string>(),
                          item.at("where"),
                          item.at("prompt"),
                          {item.at("width"), item.at("height"), item.at("tokens")},
                          item.at("extra"),
                          item.at("crc32c")});
    }
  } catch (const json::exception& error) {
    throw Error(Status::BadData, fmt::format("{}: item {}: {}", (folder / kIndex).string(),
                                             entries_.size() + 1, error.what()));
  }
  if (entries_.empty()) {
    throw Error(Status::BadData, folder.string() + ": the cache is empty: there is no item in it");
  }
}

Item CacheDataset::load(size_t row) const {
  const Entry& entry = entries_.at(row);
  const auto tensors =
      std::make_shared<const weights::WeightSet>(weights::WeightSet::open(entry.file));
  if (checksum_of(*tensors) != entry.checksum) {
    throw Error(
        Status::BadData,
        fmt::format("{}: the checksum of the item is wrong; the file was changed or damaged. "
                    "Remove it and run data_process again, which makes it anew",
                    entry.file.string()));
  }
  Item item;
  item.row = row;
  item.where = entry.where;
  item.prompt = entry.prompt;
  item.width = entry.extent.width;
  item.height = entry.extent.height;
  item.extra = entry.extra;
  item.tensors = tensors;
  return item;
}

}  // namespace gesso::data
