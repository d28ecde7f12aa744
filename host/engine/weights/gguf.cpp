// Reader of the GGUF format, versions 2 and 3 (ggml/docs/gguf.md): a header, key-value pairs,
// tensor descriptions, then the data at multiples of the alignment. Every length is checked before
// its use.
#include "engine/base/excerpt.hpp"
#include "engine/weights/ggml_types.hpp"
#include "engine/weights/weight_file.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

namespace gesso::weights {
namespace {

constexpr uint32_t kStringType = 8, kArrayType = 9;  // of metadata values
constexpr int kMaxArrayDepth = 4;
constexpr uint64_t kMaxName = 4096;
constexpr uint32_t kMaxRank = 8;

/// Bytes of a value of each metadata type; 0: not a fixed size, or no such type.
constexpr uint64_t value_bytes(uint32_t type) {
  constexpr uint64_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return type < std::size(kBytes) ? kBytes[type] : 0;
}

class Reader {
 public:
  explicit Reader(const base::MappedFile& file)
      : path_(file.path().string()), bytes_(file.bytes()) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Status::BadData, fmt::format("{}: at byte {}: {}", path_, position_, what));
  }

  void need(uint64_t count, std::string_view what) const {
    if (count > left()) {
      fail(fmt::format("{} needs {} bytes, but only {} are left; was its download interrupted?",
                       what, count, left()));
    }
  }

  template <class T>
  T take(std::string_view what) {
    need(sizeof(T), what);
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof value);
    position_ += sizeof value;
    return value;
  }

  std::string_view take_string(std::string_view what) {
    const auto length = take<uint64_t>(what);
    need(length, what);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + position_, length);
    position_ += length;
    return text;
  }

  void skip(uint64_t count, std::string_view what) {
    need(count, what);
    position_ += count;
  }

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
};

std::string take_scalar(Reader& in, uint32_t type) {
  constexpr std::string_view kWhat = "a metadata value";
  switch (type) {
    case 0:
      return fmt::to_string(in.take<uint8_t>(kWhat));
    case 1:
      return fmt::to_string(in.take<int8_t>(kWhat));
    case 2:
      return fmt::to_string(in.take<uint16_t>(kWhat));
    case 3:
      return fmt::to_string(in.take<int16_t>(kWhat));
    case 4:
      return fmt::to_string(in.take<uint32_t>(kWhat));
    case 5:
      return fmt::to_string(in.take<int32_t>(kWhat));
    case 6:
      return fmt::to_string(in.take<float>(kWhat));
    case 7:
      return in.take<uint8_t>(kWhat) ? "true" : "false";
    case 8:
      return base::clean(in.take_string(kWhat));
    case 10:
      return fmt::to_string(in.take<uint64_t>(kWhat));
    case 11:
      return fmt::to_string(in.take<int64_t>(kWhat));
    case 12:
      return fmt::to_string(in.take<double>(kWhat));
    default:
      in.fail(fmt::format("metadata type {} does not exist", type));
  }
}

/// Arrays (vocabularies, mostly) are stepped over; their text is their length.
std::string skip_array(Reader& in, int depth) {
  if (depth > kMaxArrayDepth) in.fail("metadata arrays are nested too deep");
  const auto type = in.take<uint32_t>("an array type");
  const auto count = in.take<uint64_t>("an array length");
  if (const uint64_t size = value_bytes(type)) {
    if (count > in.left() / size)
      in.fail(fmt::format("an array of {} values exceeds the file", count));
    in.skip(count * size, "an array");
  } else if (type == kStringType || type == kArrayType) {
    for (uint64_t i = 0; i < count;
         ++i) {  // each takes 8 bytes at least, so the file ends the loop
      if (type == kStringType)
        in.take_string("an array element");
      else
        skip_array(in, depth + 1);
    }
  } else {
    in.fail(fmt::format("metadata type {} does not exist", type));
  }
  return fmt::format("({} values)", count);
}

void read_metadata(Reader& in, uint64_t count, WeightFile& file) {
  for (uint64_t i = 0; i < count; ++i) {
    const std::string key = base::clean(in.take_string("a metadata key"));
    const auto type = in.take<uint32_t>("a metadata type");
    std::string value = type == kArrayType ? skip_array(in, 1) : take_scalar(in, type);
    if (!file.metadata.emplace(key, std::move(value)).second) {
      in.fail(fmt::format("the metadata key \"{}\" twice", base::excerpt(key, 100)));
    }
  }
}

TensorInfo read_tensor(Reader& in) {
  TensorInfo tensor;
  const std::string_view name = in.take_string("a tensor name");
  if (name.size() > kMaxName) in.fail("a tensor name of more than 4096 bytes");
  tensor.name = base::clean(name);
  const auto rank = in.take<uint32_t>("a tensor rank");
  if (rank > kMaxRank) in.fail(fmt::format("tensor \"{}\" claims {} extents", tensor.name, rank));
  for (uint32_t i = 0; i < rank; ++i) {
    const auto extent = in.take<uint64_t>("an extent");
    if (extent > INT64_MAX)
      in.fail(fmt::format("tensor \"{}\" has extent {}", tensor.name, extent));
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(extent));  // fastest comes first
  }
  const auto type = in.take<uint32_t>("a tensor type");
  const auto dtype = dtype_of_ggml(type);
  if (!dtype) {
    throw Error(
        Status::NotSupported,
        fmt::format("{}: tensor \"{}\" has ggml type {}, which Gesso does not read; expected "
                    "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 or Q2_K to Q6_K",
                    in.path(), tensor.name, type));
  }
  tensor.dtype = *dtype;
  tensor.offset = in.take<uint64_t>("a tensor offset");
  const auto size = byte_size(tensor.dtype, tensor.shape);
  if (!size) {
    in.fail(fmt::format("tensor \"{}\" has shape {}, which type {} cannot have", tensor.name,
                        shape_text(tensor.shape), name_of(tensor.dtype)));
  }
  tensor.size_bytes = static_cast<uint64_t>(*size);
  return tensor;
}

uint64_t alignment_of(const Reader& in, const WeightFile& file) {
  const auto found = file.metadata.find("general.alignment");
  if (found == file.metadata.end()) return 32;
  uint64_t value = 0;
  for (const char digit : found->second.substr(0, 10)) {
    if (digit < '0' || digit > '9') in.fail("general.alignment is not a number");
    value = value * 10 + static_cast<uint64_t>(digit - '0');
  }
  if (!std::has_single_bit(value)) in.fail(fmt::format("general.alignment is {}", found->second));
  return value;
}

void place_tensors(const Reader& in, uint64_t alignment, WeightFile& file) {
  const uint64_t padding = (alignment - in.position() % alignment) % alignment;
  const uint64_t data_start = in.position() + padding;
  const uint64_t data_size = padding > in.left() ? 0 : in.left() - padding;
  std::vector<TensorInfo*> order;
  for (TensorInfo& tensor : file.tensors) {
    if (tensor.offset % alignment != 0) {
      in.fail(fmt::format("tensor \"{}\" lies at {}, which is no multiple of {}", tensor.name,
                          tensor.offset, alignment));
    }
    if (tensor.offset > data_size || tensor.size_bytes > data_size - tensor.offset) {
      in.fail(
          fmt::format("tensor \"{}\" has {} bytes at {} of the data, but the data ends at {}; was "
                      "its download interrupted?",
                      tensor.name, tensor.size_bytes, tensor.offset, data_size));
    }
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const TensorInfo* a, const TensorInfo* b) {
    return std::pair(a->offset, a->size_bytes) < std::pair(b->offset, b->size_bytes);
  });
  uint64_t end = 0;
  for (TensorInfo* tensor : order) {
    if (tensor->offset < end) in.fail(fmt::format("tensor \"{}\" overlaps another", tensor->name));
    end = tensor->offset + tensor->size_bytes;
    tensor->offset += data_start;
  }
}

}  // namespace

WeightFile read_gguf(std::shared_ptr<const base::MappedFile> mapping) {
  Reader in(*mapping);
  in.skip(4, "the magic number");
  const auto version = in.take<uint32_t>("the version");
  if (version != 2 && version != 3) {
    throw Error(Status::NotSupported,
                fmt::format("{}: is GGUF version {}{}; expected 2 or 3, little-endian", in.path(),
                            version, version > 0xFFFF ? " (big-endian?)" : ""));
  }
  const auto tensor_count = in.take<uint64_t>("the number of tensors");
  const auto value_count = in.take<uint64_t>("the number of metadata values");
  WeightFile file{mapping, "gguf", {}, {}};
  read_metadata(in, value_count, file);
  std::set<std::string_view> names;
  if (tensor_count > in.left() / 24) {  // 24: the smallest description
    in.fail(fmt::format("{} tensors are claimed, more than the file has room for", tensor_count));
  }
  file.tensors.reserve(tensor_count);
  for (uint64_t i = 0; i < tensor_count; ++i) {
    file.tensors.push_back(read_tensor(in));
    if (!names.insert(file.tensors.back().name).second) {
      in.fail(fmt::format("the tensor name \"{}\" twice", file.tensors.back().name));
    }
  }
  place_tensors(in, alignment_of(in, file), file);
  return file;
}

}  // namespace gesso::weights
