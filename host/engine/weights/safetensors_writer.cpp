#include "engine/weights/safetensors_writer.hpp"

#include "gesso/cpp/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <set>

namespace gesso::weights {
namespace {

uint64_t size_of(const TensorSpec& tensor) {
  const auto size = byte_size(tensor.dtype, tensor.shape);
  if (size && !is_quantised(tensor.dtype)) return static_cast<uint64_t>(*size);
  throw Error(Status::InvalidArgument,
              fmt::format("tensor \"{}\" of shape {} and type {} cannot be in a safetensors file",
                          tensor.name, shape_text(tensor.shape), name_of(tensor.dtype)));
}

}  // namespace

std::string safetensors_header(const std::vector<TensorSpec>& tensors,
                               const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names = {"__metadata__"};
  uint64_t offset = 0;
  std::string entries;  // built as text: ordered_json looks through all keys at each insertion
  for (const TensorSpec& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      throw Error(
          Status::InvalidArgument,
          fmt::format("the tensor name \"{}\" cannot be used, or is used twice", tensor.name));
    }
    const uint64_t end = offset + size_of(tensor);
    nlohmann::ordered_json entry;
    entry["dtype"] = name_of(tensor.dtype);
    entry["shape"] = tensor.shape;
    entry["data_offsets"] = {offset, end};
    entries += fmt::format("{}{}:{}", entries.empty() ? "" : ",",
                           nlohmann::json(tensor.name).dump(), entry.dump());
    offset = end;
  }
  std::string json = header.dump();
  json.pop_back();  // the closing brace
  if (!metadata.empty() && !entries.empty()) json += ",";
  json += entries + "}";
  json.append((8 - json.size() % 8) % 8, ' ');
  const uint64_t length = json.size();
  std::string text(reinterpret_cast<const char*>(&length), sizeof length);
  return text + json;
}

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path,
                                     const std::vector<TensorSpec>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : path_(path), file_(std::move(path)) {
  file_.write(safetensors_header(tensors, metadata));
  for (const TensorSpec& tensor : tensors) missing_bytes_ += size_of(tensor);
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (bytes.size() > missing_bytes_) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: {} bytes are written, {} are left in the plan", path_.string(),
                            bytes.size(), missing_bytes_));
  }
  file_.write(bytes);
  missing_bytes_ -= bytes.size();
}

void SafetensorsWriter::finish() {
  if (missing_bytes_ > 0) {
    throw Error(Status::BadState, fmt::format("{}: {} bytes of tensors were never written",
                                              path_.string(), missing_bytes_));
  }
  file_.commit();
}

void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorSpec> plan;
  for (const NamedTensor& tensor : tensors) {
    plan.push_back({{tensor.name, tensor.view.shape}, tensor.view.dtype});
  }
  SafetensorsWriter writer(path, plan, metadata);
  for (const NamedTensor& tensor : tensors) writer.write(tensor.view.bytes);
  writer.finish();
}

}  // namespace gesso::weights
