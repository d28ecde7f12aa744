#include "engine/weights/checkpoint_writer.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <optional>

#include "engine/weights/gguf_writer.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::weights {

namespace fs = std::filesystem;

struct CheckpointWriter::Shard {
  fs::path path;
  uint64_t left = 0;  // bytes of tensors that are to come
  std::vector<TensorSpec> tensors;
  std::optional<SafetensorsWriter> safetensors;
  std::optional<GgufWriter> gguf;
};

namespace {

uint64_t size_of(const TensorSpec& tensor) {
  return static_cast<uint64_t>(byte_size(tensor.dtype, tensor.shape).value_or(0));
}

fs::path shard_path(const fs::path& path, size_t number, size_t count) {
  if (count == 1) return path;
  return path.parent_path() / fmt::format("{}-{:05}-of-{:05}{}", path.stem().string(), number + 1,
                                          count, path.extension().string());
}

}  // namespace

bool is_gguf(const fs::path& path) {
  if (path.extension() == ".gguf") return true;
  if (path.extension() == ".safetensors") return false;
  throw Error(
      Status::InvalidArgument,
      fmt::format("{}: expected a file that ends with .safetensors or .gguf", path.string()));
}

CheckpointWriter::CheckpointWriter(const fs::path& path, const std::vector<TensorSpec>& tensors,
                                   const Options& options)
    : path_(path) {
  const bool gguf = is_gguf(path);
  if (gguf && options.max_shard_bytes > 0) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: GGUF files have no shards here", path.string()));
  }
  for (const TensorSpec& tensor : tensors) {
    const uint64_t size = size_of(tensor), limit = options.max_shard_bytes;
    const bool full = limit > 0 && !shards_.empty() && shards_.back()->left > 0 &&
                      shards_.back()->left + size > limit;
    if (shards_.empty() || full) shards_.push_back(std::make_unique<Shard>());
    shards_.back()->left += size;
    shards_.back()->tensors.push_back(tensor);
  }
  if (shards_.empty()) {
    throw Error(Status::InvalidArgument, fmt::format("{}: no tensors to write", path.string()));
  }
  for (size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = *shards_[i];
    shard.path = shard_path(path, i, shards_.size());
    if (gguf) {
      shard.gguf.emplace(shard.path, shard.tensors, options.metadata);
    } else {
      shard.safetensors.emplace(shard.path, shard.tensors, options.metadata);
    }
  }
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::write(std::span<const std::byte> bytes) {
  while (at_ + 1 < shards_.size() && shards_[at_]->left == 0) ++at_;
  Shard& shard = *shards_[at_];
  shard.gguf ? shard.gguf->write(bytes) : shard.safetensors->write(bytes);
  shard.left -= bytes.size();
}

std::vector<fs::path> CheckpointWriter::finish() {
  std::vector<fs::path> files;
  nlohmann::json map = nlohmann::json::object();
  uint64_t total = 0;
  for (const auto& shard : shards_) {
    shard->gguf ? shard->gguf->finish() : shard->safetensors->finish();
    files.push_back(shard->path);
    for (const TensorSpec& tensor : shard->tensors) {
      map[tensor.name] = shard->path.filename().string();
      total += size_of(tensor);
    }
  }
  if (shards_.size() > 1) {
    files.push_back(path_.string() + ".index.json");
    base::write_file(
        files.back(),
        nlohmann::json{{"metadata", {{"total_size", total}}}, {"weight_map", std::move(map)}}.dump(
            2) +
            "\n");
  }
  return files;
}

}  // namespace gesso::weights
