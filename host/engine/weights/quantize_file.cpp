#include "engine/weights/quantize_file.hpp"

#include "engine/weights/checkpoint_writer.hpp"
#include "engine/weights/convert.hpp"
#include "engine/weights/stored_file.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

namespace gesso::weights {
namespace {

/// One weight and the tensors that it becomes.
struct Plan {
  const NamedWeight* source;
  bool quantised = false;
  std::vector<TensorSpec> tensors;
};

void check_ending(const std::filesystem::path& path, StorageFormat format) {
  const char* ending = is_quantised(dtype_of(format)) ? ".gguf" : ".safetensors";
  if (path.extension() == ending) return;
  throw Error(Status::InvalidArgument, fmt::format("{}: {} goes into a file that ends with {}",
                                                   path.string(), name_of(format), ending));
}

class ErrorSum {
 public:
  void add(const TensorView& found, const TensorView& expected) {
    const auto* x = reinterpret_cast<const float*>(found.bytes.data());
    const auto* y = reinterpret_cast<const float*>(expected.bytes.data());
    for (int64_t i = 0; i < expected.elements(); ++i) {
      const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
      error_ += difference * difference;
      size_ += static_cast<double>(y[i]) * static_cast<double>(y[i]);
    }
  }
  double relative() const { return size_ > 0 ? std::sqrt(error_ / size_) : 0; }

 private:
  double error_ = 0, size_ = 0;
};

/// What becomes of each weight. Matrices whose rows do not fit blocks stay as they are, as
/// llama.cpp leaves them, unless the rule names its targets.
std::vector<Plan> plan_all(const WeightSet& set, const StorageRule& rule, StorageFormat format,
                           Storing& storing, QuantizeResult& result) {
  std::vector<Plan> plans;
  for (const NamedWeight& weight : set.weights()) {
    if (!weight.problem.empty()) {
      throw Error(Status::BadData, fmt::format("{}: {}", set.describe(), weight.problem));
    }
    Plan plan{&weight, storing.covers(weight.name, weight.weight, is_linear(weight)), {}};
    if (plan.quantised && !stored_bytes(format, weight.shape)) {
      if (!rule.target_modules.empty()) storing.store(weight.name, weight.weight);  // tells why
      result.left.push_back(weight.name);
      plan.quantised = false;
    }
    if (plan.quantised) {
      plan.tensors = file_tensors(weight.name, outline(weight.shape, format));
    } else if (weight.weight.encoding == Encoding::Plain) {
      plan.tensors = {{{weight.name, weight.shape}, weight.weight.data().dtype}};
    } else {
      throw Error(Status::InvalidArgument,
                  fmt::format("{}: weight \"{}\" is stored as {} already; quantise the original "
                              "file",
                              set.describe(), weight.name, weight.weight.format()));
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

void check_rule(const Storing& storing, const std::vector<Plan>& plans, const WeightSet& set) {
  const auto unused = storing.unused();
  if (!unused.empty()) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: no module is called \"{}\"", set.describe(),
                            fmt::join(unused, "\" or \"")));
  }
  if (std::ranges::none_of(plans, &Plan::quantised)) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: there is nothing to quantise in it", set.describe()));
  }
}

std::map<std::string, std::string> metadata_for(const WeightSet& set, bool gguf,
                                                const std::string& architecture) {
  if (!gguf) return {{"format", "pt"}};
  const auto found = set.metadata().find("general.architecture");
  const std::string own = found != set.metadata().end() ? found->second : "unknown";
  return {{"general.architecture", architecture.empty() ? own : architecture}};
}

}  // namespace

QuantizeResult quantize_file(const WeightSet& set, const std::filesystem::path& path,
                             const QuantizeOptions& options, const QuantizeProgress& progress) {
  const StorageFormat format = storage_format(options.rule.format);
  check_ending(path, format);
  QuantizeResult result;
  Storing storing(options.rule);
  const auto plans = plan_all(set, options.rule, format, storing, result);
  check_rule(storing, plans, set);
  std::vector<TensorSpec> tensors;
  for (const Plan& plan : plans) {
    tensors.insert(tensors.end(), plan.tensors.begin(), plan.tensors.end());
  }
  const bool gguf = is_quantised(dtype_of(format));
  CheckpointWriter writer(path, tensors, {metadata_for(set, gguf, options.architecture), 0});
  ErrorSum error;
  for (size_t i = 0; i < plans.size(); ++i) {
    const Plan& plan = plans[i];
    const TensorView& before = plan.source->weight.data();
    progress(plan.source->name, i, plans.size());
    result.bytes_before += before.bytes.size();
    if (!plan.quantised) {
      ++result.kept;
      result.bytes_after += before.bytes.size();
      writer.write(before.bytes);
      continue;
    }
    ++result.quantised;
    const TensorView wide = float_values(before);
    const StoredWeight stored = encode(wide, format);
    error.add(decode(stored, DType::F32), wide);
    const auto start = std::chrono::steady_clock::now();
    decode(stored, DType::BF16);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    result.decode_seconds += seconds.count();
    result.bytes_after += stored.size_bytes();
    for (const TensorView& part : file_data(stored, before.dtype)) writer.write(part.bytes);
  }
  result.error = error.relative();
  writer.finish();
  return result;
}

}  // namespace gesso::weights
