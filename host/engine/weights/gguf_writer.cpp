// The format is described in ggml/docs/gguf.md.
#include "engine/weights/gguf_writer.hpp"

#include "engine/weights/ggml_types.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <set>

namespace gesso::weights {
namespace {

constexpr uint32_t kVersion = 3, kUint32Type = 4, kStringType = 8;
constexpr uint32_t kQuantizationVersion = 2;  // of the blocks, GGML_QNT_VERSION
constexpr uint64_t kAlignment = 32;

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out += text;
}

uint64_t padding_after(uint64_t size) { return (kAlignment - size % kAlignment) % kAlignment; }

[[noreturn]] void refuse(const TensorSpec& tensor) {
  throw Error(Status::InvalidArgument,
              fmt::format("tensor \"{}\" of shape {} and type {} cannot be in a GGUF file",
                          tensor.name, shape_text(tensor.shape), name_of(tensor.dtype)));
}

}  // namespace

GgufWriter::GgufWriter(std::filesystem::path path, const std::vector<TensorSpec>& tensors,
                       const std::map<std::string, std::string>& metadata)
    : path_(path), file_(std::move(path)) {
  std::string head = "GGUF";
  put(head, kVersion);
  put<uint64_t>(head, tensors.size());
  put<uint64_t>(head, metadata.size() + 1);
  for (const auto& [key, value] : metadata) {
    put_text(head, key);
    put(head, kStringType);
    put_text(head, value);
  }
  put_text(head, "general.quantization_version");
  put(head, kUint32Type);
  put(head, kQuantizationVersion);
  std::set<std::string_view> names;
  uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    const auto type = ggml_type(tensor.dtype);
    const auto size = byte_size(tensor.dtype, tensor.shape);
    if (!type || !size || !names.insert(tensor.name).second) refuse(tensor);
    put_text(head, tensor.name);
    put<uint32_t>(head, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;)
      put(head, static_cast<uint64_t>(tensor.shape[i]));
    put(head, *type);
    put(head, offset);
    sizes_.push_back(static_cast<uint64_t>(*size));
    offset += sizes_.back() + padding_after(sizes_.back());
  }
  head.append(padding_after(head.size()), '\0');
  file_.write(head);
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  if (next_ >= sizes_.size() || bytes.size() > sizes_[next_] - written_) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: {} bytes more for tensor {} of {}", path_.string(), bytes.size(),
                            next_, sizes_.size()));
  }
  file_.write(bytes);
  written_ += bytes.size();
  if (written_ < sizes_[next_]) return;
  file_.write(std::string(padding_after(written_), '\0'));
  written_ = 0;
  ++next_;
}

void GgufWriter::finish() {
  if (next_ < sizes_.size()) {
    throw Error(Status::BadState, fmt::format("{}: {} tensors were never written", path_.string(),
                                              sizes_.size() - next_));
  }
  file_.commit();
}

}  // namespace gesso::weights
