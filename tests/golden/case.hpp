// A golden case: its description, inputs and expected outputs, and how results are compared.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace gesso::golden {

using Tensors = std::map<std::string, at::Tensor>;

/// Every tensor of a safetensors file, copied. @throws Error as the reader of weights
Tensors read_tensors(const std::filesystem::path& file);

struct Case {
  std::filesystem::path folder;
  nlohmann::json json;
  Tensors inputs, outputs;  // empty where the files are JSON

  std::string name() const { return json.value("name", folder.filename().string()); }
  std::string kind() const { return json.value("kind", ""); }
  const nlohmann::json& params() const;
  std::filesystem::path path(const std::string& relative) const { return folder / relative; }
  nlohmann::json json_file(const std::string& field) const;  // "inputs" or "outputs" as JSON
  /// "f32" or "bf16", as the runtime calls them.
  std::string compute_dtype() const;
  const at::Tensor& input(const std::string& name) const;
  /// The tensors name.0, name.1, ... in order.
  std::vector<at::Tensor> input_list(const std::string& name) const;
};

/// @throws Error BadData when it is no case of format gesso-golden/1
Case load_case(const std::filesystem::path& folder);

struct Verdict {
  bool passed = true;
  double worst = 0, limit = 0;  // of the output nearest to (or beyond) its limit
  std::string detail;           // which output, which element
};

/// Compares every stored output that is no `trace.*`. An output that was not computed is a failure.
Verdict compare(const Case& golden, const Tensors& computed);

}  // namespace gesso::golden
