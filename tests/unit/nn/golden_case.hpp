// Reads the golden cases of tests/golden/data: case.json, safetensors, tolerance. Torch-free.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "gesso/cpp/value.hpp"

namespace golden {

struct Array {
  std::string dtype;  // "F32", "BF16", "I64"
  std::vector<int64_t> shape;
  std::string bytes;

  /// The numbers of an F32 or BF16 tensor.
  std::vector<float> floats() const {
    std::vector<float> out;
    if (dtype == "F32") {
      out.resize(bytes.size() / 4);
      std::memcpy(out.data(), bytes.data(), bytes.size());
      return out;
    }
    REQUIRE(dtype == "BF16");
    for (size_t i = 0; i < bytes.size(); i += 2) {
      uint16_t half;
      std::memcpy(&half, bytes.data() + i, 2);
      const uint32_t wide = uint32_t{half} << 16;
      float v;
      std::memcpy(&v, &wide, 4);
      out.push_back(v);
    }
    return out;
  }
  std::vector<int64_t> integers() const {
    REQUIRE(dtype == "I64");
    std::vector<int64_t> out(bytes.size() / 8);
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }
};

using Arrays = std::map<std::string, Array>;

/// A well-formed safetensors file, added to `arrays`.
inline void read_safetensors(const std::filesystem::path& path, Arrays& arrays) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file, path.string());
  uint64_t length = 0;
  file.read(reinterpret_cast<char*>(&length), sizeof length);
  std::string header(length, '\0');
  file.read(header.data(), static_cast<std::streamsize>(length));
  const std::string data{std::istreambuf_iterator<char>(file), {}};
  const nlohmann::json entries = nlohmann::json::parse(header);
  for (const auto& [name, entry] : entries.items()) {
    if (name == "__metadata__") continue;
    const size_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    arrays[name] = {entry["dtype"], entry["shape"], data.substr(begin, end - begin)};
  }
}

struct Case {
  std::filesystem::path folder;
  nlohmann::json json;
  Arrays inputs, outputs;

  explicit Case(const std::string& name)
      : folder(std::filesystem::path(GESSO_SOURCE_DIR) / "tests/golden/data" / name) {
    std::ifstream file(folder / "case.json");
    REQUIRE_MESSAGE(file, folder.string());
    json = nlohmann::json::parse(file);
    if (json.contains("inputs")) read_safetensors(folder / json["inputs"], inputs);
    read_safetensors(folder / json["outputs"], outputs);
  }

  bool bf16() const { return json["compute_dtype"] == "bfloat16"; }
  const nlohmann::json& config(const std::string& component) const {
    return json["weights"][component]["config"];
  }
  Arrays weights(const std::string& component) const {
    Arrays arrays;
    for (const auto& file : json["weights"][component]["files"]) {
      read_safetensors(folder / file, arrays);
    }
    return arrays;
  }

  /// Compares with the stored output by the metric of the case.
  void check(const std::string& output, const std::vector<float>& found) const {
    const auto& tolerance = json["tolerance"];
    const auto& limit = tolerance.contains("overrides") && tolerance["overrides"].contains(output)
                            ? tolerance["overrides"][output]
                            : tolerance;
    const std::vector<float> expected = outputs.at(output).floats();
    REQUIRE(found.size() == expected.size());
    double worst = 0, largest = 0, square_error = 0, square = 0;
    size_t place = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      const double error = std::abs(double{found[i]} - expected[i]);
      REQUIRE(error == error);
      if (error > worst) worst = error, place = i;
      largest = std::max(largest, std::abs(double{expected[i]}));
      square_error += error * error;
      square += double{expected[i]} * expected[i];
    }
    CAPTURE(json["name"].get<std::string>());
    CAPTURE(output);
    CAPTURE(place);
    CAPTURE(found[place]);
    CAPTURE(expected[place]);
    const std::string metric = limit["metric"];
    const double value = limit["value"];
    if (metric == "exact") CHECK(worst == 0);
    if (metric == "max_abs") CHECK(worst <= value);
    if (metric == "max_rel") CHECK(worst / largest <= value);
    if (metric == "rel_l2") CHECK(std::sqrt(square_error / square) <= value);
  }
};

/// The entries of a config.json as the host hands them to `prepare`.
inline void add_config(gesso::ValueList& values, const nlohmann::json& config) {
  for (const auto& [name, v] : config.items()) {
    const std::string key = "config." + name;
    if (v.is_number_integer()) values.set_integer(key, v);
    if (v.is_number_float()) values.set_real(key, v);
    if (v.is_boolean()) values.set_boolean(key, v);
    if (v.is_string()) values.set_text(key, v);
    if (v.is_array() && v[0].is_number_integer()) values.set_integers(key, v);
  }
}

}  // namespace golden
