// Weight files made byte by byte, right and wrong ones.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/weights/component_pattern.hpp"
#include "gesso/cpp/error.hpp"
#include "temporary_folder.hpp"

namespace gesso::weights {

inline const std::filesystem::path kSource = GESSO_SOURCE_DIR;
inline const std::filesystem::path kGolden = kSource / "tests/golden/data";
inline const std::filesystem::path kModels = kGolden / "models";

inline std::filesystem::path write_text(const std::filesystem::path& path,
                                        const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

/// The little-endian bytes of a number.
template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string safetensors_bytes(const std::string& header, size_t data_size) {
  return raw<uint64_t>(header.size()) + header + std::string(data_size, '\0');
}

/// GGUF pieces: a string with its length; a tensor description.
inline std::string gguf_string(const std::string& text) {
  return raw<uint64_t>(text.size()) + text;
}

inline std::string gguf_tensor(const std::string& name, const std::vector<uint64_t>& extents,
                               uint32_t type, uint64_t offset) {
  std::string bytes = gguf_string(name) + raw<uint32_t>(static_cast<uint32_t>(extents.size()));
  for (const uint64_t extent : extents) bytes += raw(extent);
  return bytes + raw(type) + raw(offset);
}

inline std::string gguf_head(uint64_t n_tensors, uint64_t n_values, uint32_t version = 3) {
  return "GGUF" + raw(version) + raw(n_tensors) + raw(n_values);
}

inline std::string gguf_data(std::string head, size_t data_size) {
  head.resize((head.size() + 31) / 32 * 32);
  return head + std::string(data_size, '\1');
}

/// The status and text of the error that `body` throws; Ok when it throws none.
template <class Body>
std::pair<Status, std::string> error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return {error.status(), error.what()};
  }
  return {Status::Ok, ""};
}

inline bool contains(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("in \"" << text << "\" there is no \"" << part << "\"");
  return found;
}

inline ComponentPattern z_image_pattern() {
  return load_component_pattern("z_image", kSource / "plugins/common/z_image/weights.toml");
}
inline ComponentPattern qwen3_pattern() {
  return load_component_pattern("qwen3", kSource / "plugins/text_encoder/qwen3/weights.toml");
}
inline ComponentPattern flux_vae_pattern() {
  return load_component_pattern("flux_vae", kSource / "plugins/codec/flux_vae/weights.toml");
}

}  // namespace gesso::weights
