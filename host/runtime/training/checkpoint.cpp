#include "runtime/training/checkpoint.hpp"

#include <ATen/ops/empty_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include <nlohmann/json.hpp>

#include "gesso/cpp/error.hpp"
#include "runtime/training/tensor_files.hpp"

namespace gesso::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "gesso-train-state/1";

/// The number in "state-<number>.safetensors"; -1: another file.
int64_t state_number(const fs::path& file) {
  const std::string name = file.filename().string();
  constexpr std::string_view kBegin = "state-", kEnd = ".safetensors";
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) return -1;
  int64_t number = -1;
  const char* end = name.data() + name.size() - kEnd.size();
  const auto [stop, failed] = std::from_chars(name.data() + kBegin.size(), end, number);
  return failed == std::errc() && stop == end ? number : -1;
}

std::vector<std::pair<int64_t, fs::path>> states_of(const fs::path& folder) {
  std::vector<std::pair<int64_t, fs::path>> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const int64_t number = state_number(entry.path());
    if (number >= 0) found.emplace_back(number, entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

void read_into(const weights::WeightSet& set, const std::string& name, at::Tensor& into) {
  const weights::TensorInfo* info = set.find(name);
  const std::string file = set.files().front().mapping->path().string();
  if (!info) {
    throw Error(Status::Incompatible,
                fmt::format("{}: no \"{}\"; it is the state of another run", file, name));
  }
  const at::Tensor read = tensor_of(set.view(*info));
  if (read.sizes() != into.sizes() || read.scalar_type() != into.scalar_type()) {
    throw Error(
        Status::Incompatible,
        fmt::format("{}: \"{}\" has another shape or type than what is trained now", file, name));
  }
  into.copy_(read);
}

}  // namespace

std::string checkpoint_name(const std::string& attribute, const std::string& name,
                            const std::string& removed_prefix) {
  const std::string whole = "pipe." + attribute + "." + name;
  return !removed_prefix.empty() && whole.starts_with(removed_prefix)
             ? whole.substr(removed_prefix.size())
             : whole;
}

void write_weights(const fs::path& file, const std::vector<std::string>& names,
                   const std::vector<at::Tensor>& values, const std::string& dtype) {
  std::vector<weights::NamedTensor> tensors;
  for (size_t i = 0; i < names.size(); ++i) {
    const at::Tensor typed = dtype == "bf16" ? values[i].to(at::kBFloat16) : values[i];
    tensors.push_back(named_tensor(names[i], typed));
  }
  weights::write_safetensors(file, tensors, {{"format", "pt"}});
}

void write_state(Workers& workers, const fs::path& folder, const TrainState& state,
                 Optimization& optimization, int64_t keep) {
  const auto& parameters = optimization.parameters();
  const auto steps = optimization.steps();
  std::vector<weights::TensorSpec> specs;
  nlohmann::json told = nlohmann::json::array();
  const auto plan = [&](const std::string& name, const at::Tensor& tensor) {
    const auto view = named_tensor(name, tensor).view;
    specs.push_back({{name, view.shape}, view.dtype});
  };
  for (size_t i = 0; workers.first() && i < parameters.size(); ++i) {
    plan(fmt::format("{}.value", i), parameters[i]->value);
    told.push_back({{"name", parameters[i]->name}, {"steps", steps[i]}});
    AdamW::State empty = steps[i] > 0 ? optimization.empty_state(i) : AdamW::State();
    for (const auto& [name, tensor] : parts_of(empty)) {
      plan(fmt::format("{}.{}", i, name), *tensor);
    }
    if (optimization.averages()) plan(fmt::format("{}.ema", i), parameters[i]->value);
  }
  const TrainProgress& p = state.progress;
  const nlohmann::json progress = {{"micro_batch", p.micro_batch},
                                   {"optimizer_steps", p.optimizer_steps},
                                   {"epoch", p.position.epoch},
                                   {"batch", p.position.batch},
                                   {"loss_sum", p.loss_sum}};
  std::optional<weights::SafetensorsWriter> writer;
  if (workers.first()) {
    writer.emplace(folder / fmt::format("state-{}.safetensors", p.micro_batch), specs,
                   std::map<std::string, std::string>{{"format", kFormat},
                                                      {"progress", progress.dump()},
                                                      {"parameters", told.dump()},
                                                      {"fingerprint", state.fingerprint}});
  }
  const auto write = [&](const at::Tensor& tensor) {
    if (writer) writer->write(named_tensor("", tensor).view.bytes);
  };
  for (size_t i = 0; i < parameters.size(); ++i) {
    write(parameters[i]->value);
    if (steps[i] > 0) {
      AdamW::State moments = optimization.state(i);
      for (const auto& part : parts_of(moments)) write(*part.second);
    }
    if (optimization.averages()) write(optimization.average(i));
  }
  if (!writer) return;
  writer->finish();
  const auto all = states_of(folder);
  std::error_code ignored;
  for (size_t i = 0; i + static_cast<size_t>(keep) < all.size(); ++i) {
    fs::remove(all[i].second, ignored);
  }
}

fs::path newest_state(const fs::path& folder) {
  const auto all = states_of(folder);
  return all.empty() ? fs::path() : all.back().second;
}

namespace {

/// The metadata of a state, checked against the run that wants to go on with it.
nlohmann::json checked_metadata(const weights::WeightSet& set, const fs::path& file,
                                const std::string& fingerprint, size_t parameters) {
  const auto field = [&](const char* key) {
    const auto found = set.metadata().find(key);
    if (found != set.metadata().end()) return found->second;
    throw Error(Status::BadData,
                fmt::format("{}: no \"{}\"; it is no state of a training run", file.string(), key));
  };
  if (field("fingerprint") != fingerprint) {
    throw Error(Status::Incompatible,
                fmt::format("{}: the run was begun with {}, now it is {}; take them back, or begin "
                            "in another folder",
                            file.string(), field("fingerprint"), fingerprint));
  }
  const auto told = nlohmann::json::parse(field("parameters"));
  if (told.size() != parameters) {
    throw Error(Status::Incompatible, fmt::format("{}: {} parameters, {} are trained now",
                                                  file.string(), told.size(), parameters));
  }
  return {{"parameters", told}, {"progress", nlohmann::json::parse(field("progress"))}};
}

}  // namespace

TrainState read_state(Workers& workers, const fs::path& file, const std::string& fingerprint,
                      Optimization& optimization) {
  const auto& parameters = optimization.parameters();
  std::optional<weights::WeightSet> set;
  std::string text;
  if (workers.first()) {
    set = weights::WeightSet::open(file);
    text = checked_metadata(*set, file, fingerprint, parameters.size()).dump();
  }
  const auto metadata = nlohmann::json::parse(workers.from_first(text));
  for (size_t i = 0; i < parameters.size(); ++i) {
    const int64_t steps = metadata.at("parameters").at(i).at("steps");
    const bool states = steps > 0;
    if (set) read_into(*set, fmt::format("{}.value", i), parameters[i]->value);
    AdamW::State state = set && states ? optimization.empty_state(i) : AdamW::State();
    for (const auto& [name, tensor] : parts_of(state)) {
      read_into(*set, fmt::format("{}.{}", i, name), *tensor);
    }
    state.steps = steps;
    optimization.set_state(i, std::move(state));
    if (!optimization.averages()) continue;
    at::Tensor average = at::empty_like(parameters[i]->value);
    if (set) read_into(*set, fmt::format("{}.ema", i), average);
    optimization.set_average(i, average);
  }
  optimization.share_values();
  const auto& progress = metadata.at("progress");
  return {{progress.at("micro_batch"),
           progress.at("optimizer_steps"),
           {progress.at("epoch"), progress.at("batch")},
           progress.at("loss_sum")},
          fingerprint};
}

}  // namespace gesso::runtime
