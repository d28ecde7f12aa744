#include "case.hpp"

#include <ATen/ops/empty.h>
#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "engine/weights/weight_set.hpp"
#include "gesso/cpp/error.hpp"
#include "gesso/cpp/torch.hpp"
#include "runtime/component_weights.hpp"

namespace gesso::golden {
namespace {

nlohmann::json read_json(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw Error(Status::NotFound, fmt::format("{}: cannot be opened", file.string()));
  return nlohmann::json::parse(in);
}

struct Limit {
  std::string metric;
  double value;
};

Limit limit_of(const nlohmann::json& tolerance, const std::string& output) {
  Limit limit{tolerance.at("metric"), tolerance.at("value")};
  const nlohmann::json overrides = tolerance.value("overrides", nlohmann::json::object());
  for (const auto& [pattern, override] : overrides.items()) {
    const bool prefix =
        pattern.ends_with('*') && output.starts_with(pattern.substr(0, pattern.size() - 1));
    if (pattern == output || prefix) limit = {override.at("metric"), override.at("value")};
  }
  return limit;
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  return a.scalar_type() == b.scalar_type() && a.nbytes() == b.nbytes() &&
         std::memcmp(x.const_data_ptr(), y.const_data_ptr(), a.nbytes()) == 0;
}

/// How far `computed` is from `stored`; infinite when shapes, NaN or Inf do not agree.
double distance(const std::string& metric, const at::Tensor& computed, const at::Tensor& stored) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  if (computed.sizes() != stored.sizes()) return kFar;
  if (metric == "exact") return same_bits(computed, stored) ? 0 : kFar;
  const at::Tensor o = computed.to(at::kDouble), r = stored.to(at::kDouble);
  const at::Tensor fine = r.isfinite();
  if (!o.isfinite().equal(fine) || !o.masked_select(~fine).equal(r.masked_select(~fine))) {
    if (!(o.isnan().equal(r.isnan()) && o.isinf().equal(r.isinf()))) return kFar;
  }
  if (r.numel() == 0) return 0;
  const at::Tensor a = o.masked_select(fine), b = r.masked_select(fine);
  if (a.numel() == 0) return 0;
  if (metric == "mismatch") return (a != b).to(at::kDouble).mean().item<double>();
  const double largest = (a - b).abs().max().item<double>();
  if (metric == "max_abs") return largest;
  if (metric == "max_rel") {
    const double scale = b.abs().max().item<double>();
    return largest == 0 ? 0 : largest / scale;
  }
  if (metric == "rel_l2") {
    const double difference = (a - b).norm().item<double>(), scale = b.norm().item<double>();
    return difference == 0 ? 0 : difference / scale;
  }
  throw Error(Status::BadData, fmt::format("unknown metric \"{}\"", metric));
}

}  // namespace

Tensors read_tensors(const std::filesystem::path& file) {
  const auto set = weights::WeightSet::open(file);
  Tensors tensors;
  for (const auto& info : set.tensors()) {
    const auto view = set.view(info);
    const at::Tensor copy = at::empty(
        view.shape, at::TensorOptions().dtype(torch::scalar_type(runtime::dl_type(view.dtype))));
    std::memcpy(copy.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
    tensors[info.name] = copy;
  }
  return tensors;
}

const nlohmann::json& Case::params() const {
  static const nlohmann::json none = nlohmann::json::object();
  const auto found = json.find("params");
  return found != json.end() && found->is_object() ? *found : none;
}

nlohmann::json Case::json_file(const std::string& field) const {
  return read_json(folder / json.at(field).get<std::string>());
}

std::string Case::compute_dtype() const {
  return json.value("compute_dtype", "float32") == "bfloat16" ? "bf16" : "f32";
}

const at::Tensor& Case::input(const std::string& name) const {
  const auto found = inputs.find(name);
  if (found == inputs.end()) throw Error(Status::BadData, fmt::format("no input \"{}\"", name));
  return found->second;
}

std::vector<at::Tensor> Case::input_list(const std::string& name) const {
  std::vector<at::Tensor> list;
  while (inputs.contains(fmt::format("{}.{}", name, list.size()))) {
    list.push_back(inputs.at(fmt::format("{}.{}", name, list.size())));
  }
  return list;
}

Case load_case(const std::filesystem::path& folder) {
  Case golden{folder, read_json(folder / "case.json"), {}, {}};
  if (golden.json.value("format", "") != "gesso-golden/1") {
    throw Error(Status::BadData,
                fmt::format("{}: format is \"{}\", expected \"gesso-golden/1\"",
                            (folder / "case.json").string(), golden.json.value("format", "")));
  }
  const auto load = [&](const char* field, Tensors& into) {
    const std::string file = golden.json.value(field, "");
    if (file.ends_with(".safetensors")) into = read_tensors(folder / file);
  };
  load("inputs", golden.inputs);
  load("outputs", golden.outputs);
  return golden;
}

Verdict compare(const Case& golden, const Tensors& computed) {
  Verdict verdict;
  double nearest = -1;
  for (const auto& [name, stored] : golden.outputs) {
    if (name.starts_with("trace.")) continue;
    const Limit limit = limit_of(golden.json.at("tolerance"), name);
    const auto found = computed.find(name);
    const double error = found == computed.end() ? std::numeric_limits<double>::infinity()
                                                 : distance(limit.metric, found->second, stored);
    const double share = error == 0 ? 0 : limit.value > 0 ? error / limit.value : HUGE_VAL;
    if (share > nearest) {
      nearest = share;
      verdict.worst = error;
      verdict.limit = limit.value;
      verdict.detail =
          found == computed.end() ? name + " was not computed" : name + " " + limit.metric;
    }
    verdict.passed = verdict.passed && error <= limit.value;
  }
  if (nearest < 0) {
    verdict.passed = false;
    verdict.detail = "the case has no outputs to compare";
  }
  return verdict;
}

}  // namespace gesso::golden
