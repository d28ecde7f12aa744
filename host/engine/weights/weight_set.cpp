#include "engine/weights/weight_set.hpp"

#include "engine/base/json_text.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <fnmatch.h>

#include <algorithm>
#include <numeric>

namespace gesso::weights {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexSuffix = ".index.json";

bool is_index(const fs::path& path) { return path.filename().string().ends_with(kIndexSuffix); }

/// Files of `folder` whose name fits the shell pattern, in name order.
std::vector<fs::path> files_like(const fs::path& folder, const std::string& pattern) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (::fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) == 0 && !entry->is_directory(error)) {
      found.push_back(entry->path());
    }
  }
  if (error) {
    const bool absent = error == std::errc::no_such_file_or_directory;
    throw Error(absent ? Status::NotFound : Status::Denied,
                fmt::format("{}: cannot be listed: {}", folder.string(), error.message()));
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Folders below `folder` that hold weights, so that a message can point to them.
std::string hint_of_subfolders(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::error_code error;
    if (entry.is_directory(error) && !files_like(entry.path(), "*.safetensors").empty()) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names.empty() ? ""
                       : fmt::format("; did you mean a folder in it: {}?", fmt::join(names, ", "));
}

/// The files that a path stands for.
std::vector<fs::path> expand_path(const fs::path& path) {
  const std::string name = path.filename().string();
  std::error_code error;
  if (name.find_first_of("*?") != std::string::npos && !fs::exists(path, error)) {
    auto found = files_like(path.has_parent_path() ? path.parent_path() : ".", name);
    if (found.empty()) {
      throw Error(Status::NotFound, fmt::format("{}: no file has such a name", path.string()));
    }
    return found;
  }
  if (!fs::is_directory(path, error)) return {path};
  auto found = files_like(path, "*.index.json");
  if (found.size() > 1) {
    throw Error(
        Status::InvalidArgument,
        fmt::format("{}: has several indices ({} and {}); name the one to use", path.string(),
                    found[0].filename().string(), found[1].filename().string()));
  }
  if (found.empty()) found = files_like(path, "*.safetensors");
  if (found.empty()) found = files_like(path, "*.gguf");
  if (found.empty()) {
    throw Error(Status::NotFound, fmt::format("{}: has no *.index.json, *.safetensors or *.gguf{}",
                                              path.string(), hint_of_subfolders(path)));
  }
  return found;
}

/// `weight_map` of an index: tensor name -> shard, checked.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const auto mapping = base::MappedFile::open(path);
  const std::string_view text(reinterpret_cast<const char*>(mapping->bytes().data()),
                              mapping->bytes().size());
  const auto fail = [&](const std::string& what) {
    return Error(Status::BadData, fmt::format("{}: {}", path.string(), what));
  };
  const auto index = base::parse_json(text);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw fail("expected a JSON object with \"weight_map\"");
  }
  std::map<std::string, std::string> shards;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) throw fail(fmt::format("\"{}\" has no file name", name));
    const fs::path file = shard.get<std::string>();
    if (file.empty() || file != file.filename() || file == ".." || file == ".") {
      throw fail(fmt::format("\"{}\" lies in \"{}\", expected a file beside the index", name,
                             file.string()));
    }
    shards[name] = file.string();
  }
  if (shards.empty()) throw fail("\"weight_map\" is empty");
  return shards;
}

/// The shards of an index, each with all the tensors that the index expects of it.
std::vector<WeightFile> open_index(const fs::path& path) {
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, shard] : read_index(path)) shards[shard].push_back(name);
  std::vector<WeightFile> files;
  for (const auto& [shard, names] : shards) {
    const fs::path shard_path = path.parent_path() / shard;
    if (std::error_code error; !fs::exists(shard_path, error)) {
      throw Error(Status::NotFound,
                  fmt::format("{}: the shard {} (one of {}) is missing; was its download complete?",
                              path.string(), shard, shards.size()));
    }
    files.push_back(open_weight_file(shard_path));
    std::vector<std::string_view> present;
    for (const TensorInfo& tensor : files.back().tensors) present.push_back(tensor.name);
    std::sort(present.begin(), present.end());
    for (const std::string& name : names) {
      if (std::binary_search(present.begin(), present.end(), name)) continue;
      throw Error(Status::BadData, fmt::format("{}: tensor \"{}\" should be in {}, but is not",
                                               path.string(), name, shard));
    }
  }
  return files;
}

}  // namespace

WeightSet WeightSet::open(const fs::path& path) { return open(std::span(&path, 1)); }

WeightSet WeightSet::open(std::span<const fs::path> paths) {
  if (paths.empty()) throw Error(Status::InvalidArgument, "no weight file is named");
  std::vector<WeightFile> files;
  for (const fs::path& path : paths) {
    for (const fs::path& file : expand_path(path)) {
      if (is_index(file)) {
        for (WeightFile& shard : open_index(file)) files.push_back(std::move(shard));
      } else {
        files.push_back(open_weight_file(file));
      }
    }
  }
  return WeightSet(std::move(files));
}

WeightSet::WeightSet(std::vector<WeightFile> files) : files_(std::move(files)) {
  for (size_t i = 0; i < files_.size(); ++i) {
    for (TensorInfo& tensor : files_[i].tensors) {
      tensor.file = i;
      tensors_.push_back(tensor);
    }
    metadata_.insert(files_[i].metadata.begin(), files_[i].metadata.end());
  }
  std::stable_sort(tensors_.begin(), tensors_.end(),
                   [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(tensors_.begin(), tensors_.end(),
                         [](const TensorInfo& a, const TensorInfo& b) { return a.name == b.name; });
  if (twice != tensors_.end()) {
    throw Error(Status::BadData,
                fmt::format("tensor \"{}\" is in both {} and {}; are these shards of one model?",
                            twice->name, path_of(twice[0]).string(), path_of(twice[1]).string()));
  }
  weights_ = join_siblings(tensors_, [this](const TensorInfo& tensor) { return view(tensor); });
}

const TensorInfo* WeightSet::find(std::string_view name) const {
  const auto found = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const TensorInfo& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

TensorView WeightSet::view(const TensorInfo& tensor) const {
  const auto& mapping = files_[tensor.file].mapping;
  return {tensor.dtype, tensor.shape, mapping->bytes().subspan(tensor.offset, tensor.size_bytes),
          mapping};
}

const fs::path& WeightSet::path_of(const TensorInfo& tensor) const {
  return files_[tensor.file].mapping->path();
}

uint64_t WeightSet::size_bytes() const {
  return std::accumulate(
      tensors_.begin(), tensors_.end(), uint64_t{0},
      [](uint64_t sum, const TensorInfo& tensor) { return sum + tensor.size_bytes; });
}

int64_t WeightSet::elements() const {
  return std::accumulate(tensors_.begin(), tensors_.end(), int64_t{0},
                         [](int64_t sum, const TensorInfo& tensor) {
                           return sum + element_count(tensor.shape).value_or(0);
                         });
}

std::vector<std::string> WeightSet::names() const {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : tensors_) names.push_back(tensor.name);
  return names;
}

std::string WeightSet::describe() const {
  const fs::path& first = files_.front().mapping->path();
  if (files_.size() == 1) return first.filename().string();
  return fmt::format("{}/ ({} files)", fs::absolute(first).parent_path().filename().string(),
                     files_.size());
}

}  // namespace gesso::weights
