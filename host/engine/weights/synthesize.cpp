#include "engine/weights/synthesize.hpp"

#include "engine/weights/convert.hpp"
#include "engine/weights/safetensors_writer.hpp"
#include "engine/weights/weight_file.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace gesso::weights {
namespace {

constexpr const char* kStamp = "gesso.synthetic";
constexpr float kDeviation = 0.02f;
// All tensors are windows of one random block. A prime length, so that its period falls on no row.
constexpr int64_t kBlockElements = 8'388'593;

/// xorshift64* (Marsaglia, Vigna).
struct Random {
  uint64_t state;
  uint64_t next() {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1Dull;
  }
  /// About normal, mean 0, deviation 1: four uniform numbers of 16 bits, added.
  float normal() {
    const uint64_t bits = next();
    const auto sum = static_cast<float>((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) +
                                        (bits >> 32 & 0xFFFF) + (bits >> 48));
    return (sum / 65536.0f - 2.0f) * 1.7320508f;  // the sum of four has variance 4/12
  }
};

Random random_for(uint64_t seed) { return {(seed + 1) * 0x9E3779B97F4A7C15ull | 1}; }

/// Independent of the platform, unlike std::hash (FNV-1a).
uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3ull;
  return hash;
}

TensorView random_values(uint64_t seed, int64_t count, float mean, DType dtype) {
  const auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(count));
  Random random = random_for(seed);
  for (float& value : *values) value = mean + kDeviation * random.normal();
  return materialize({DType::F32, {count}, std::as_bytes(std::span(*values)), values}, dtype);
}

/// A vector that multiplies: of a norm. Matrices and kernels have more extents, biases another
/// name.
bool is_norm_weight(const TensorSpec& tensor) {
  return tensor.shape.size() == 1 && tensor.name.ends_with(".weight");
}

/// Writes `count` elements from the block, starting anywhere in it, round and round.
void write_window(SafetensorsWriter& writer, const TensorView& block, uint64_t start,
                  int64_t count) {
  const auto width = static_cast<size_t>(block_bytes(block.dtype));
  size_t at = start % kBlockElements * width;
  size_t left = static_cast<size_t>(count) * width;
  while (left > 0) {
    const size_t piece = std::min(left, block.bytes.size() - at);
    writer.write(block.bytes.subspan(at, piece));
    left -= piece;
    at = 0;
  }
}

/// True when `path` is the very file; false when there is none or an outdated one of ours.
bool is_there(const std::filesystem::path& path, const std::string& header, uint64_t data_size) {
  if (std::error_code error; !std::filesystem::exists(path, error)) return false;
  const WeightFile file = open_weight_file(path);
  if (!file.metadata.count(kStamp)) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: is there already and was not synthesised; name another file",
                            path.string()));
  }
  const auto bytes = file.mapping->bytes();
  return bytes.size() == header.size() + data_size &&
         std::memcmp(bytes.data(), header.data(), header.size()) == 0;
}

}  // namespace

bool synthesize(const ComponentPattern& pattern, const Dimensions& dimensions,
                const std::filesystem::path& path, DType dtype, uint64_t seed) {
  if (dtype != DType::F32 && dtype != DType::F16 && dtype != DType::BF16) {
    throw Error(Status::InvalidArgument,
                fmt::format("expected F32, F16 or BF16, found {}", name_of(dtype)));
  }
  std::vector<TensorSpec> tensors;
  uint64_t data_size = 0;
  for (NamedShape& tensor : expand(pattern, dimensions)) {
    data_size += static_cast<uint64_t>(byte_size(dtype, tensor.shape).value_or(0));
    tensors.push_back({std::move(tensor), dtype});
  }
  const std::map<std::string, std::string> metadata = {
      {kStamp, "1"}, {"component", pattern.id}, {"seed", fmt::to_string(seed)}};
  if (is_there(path, safetensors_header(tensors, metadata), data_size)) return false;

  SafetensorsWriter writer(path, tensors, metadata);
  const TensorView block = random_values(seed, kBlockElements, 0.0f, dtype);
  for (const TensorSpec& tensor : tensors) {
    const int64_t count = element_count(tensor.shape).value_or(0);
    const uint64_t start = hash_of(tensor.name) + seed;
    if (is_norm_weight(tensor)) {
      writer.write(random_values(start, count, 1.0f, dtype).bytes);
    } else {
      write_window(writer, block, start, count);
    }
  }
  writer.finish();
  return true;
}

}  // namespace gesso::weights
