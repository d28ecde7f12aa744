#include "runtime/training/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

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

/// The tensors of one parameter's state by name, those that there are.
std::vector<std::pair<std::string, at::Tensor*>> parts_of(AdamW::State& state) {
  std::vector<std::pair<std::string, at::Tensor*>> parts;
  for (const auto& [name, tensor] :
       {std::pair("mean", &state.mean), std::pair("square", &state.square),
        std::pair("mean_codes", &state.mean_codes), std::pair("square_codes", &state.square_codes),
        std::pair("mean_scales", &state.mean_scales),
        std::pair("square_scales", &state.square_scales)}) {
    if (tensor->defined()) parts.emplace_back(name, tensor);
  }
  return parts;
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

void write_state(const fs::path& folder, const TrainState& state, const ParameterList& parameters,
                 AdamW& optimizer, const std::vector<at::Tensor>& averages, int64_t keep) {
  std::vector<weights::NamedTensor> tensors;
  nlohmann::json steps = nlohmann::json::array();
  for (size_t i = 0; i < parameters.size(); ++i) {
    tensors.push_back(named_tensor(fmt::format("{}.value", i), parameters[i]->value));
    steps.push_back({{"name", parameters[i]->name}, {"steps", optimizer.states()[i].steps}});
    for (const auto& [name, tensor] : parts_of(optimizer.states()[i])) {
      tensors.push_back(named_tensor(fmt::format("{}.{}", i, name), *tensor));
    }
    if (!averages.empty()) tensors.push_back(named_tensor(fmt::format("{}.ema", i), averages[i]));
  }
  const TrainProgress& p = state.progress;
  const nlohmann::json progress = {{"micro_batch", p.micro_batch},
                                   {"optimizer_steps", p.optimizer_steps},
                                   {"epoch", p.position.epoch},
                                   {"batch", p.position.batch},
                                   {"loss_sum", p.loss_sum}};
  weights::write_safetensors(folder / fmt::format("state-{}.safetensors", p.micro_batch), tensors,
                             {{"format", kFormat},
                              {"progress", progress.dump()},
                              {"parameters", steps.dump()},
                              {"fingerprint", state.fingerprint}});
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

TrainState read_state(const fs::path& file, const std::string& fingerprint,
                      const ParameterList& parameters, AdamW& optimizer,
                      std::vector<at::Tensor>& averages) {
  const auto set = weights::WeightSet::open(file);
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
  const auto steps = nlohmann::json::parse(field("parameters"));
  if (steps.size() != parameters.size()) {
    throw Error(Status::Incompatible, fmt::format("{}: {} parameters, {} are trained now",
                                                  file.string(), steps.size(), parameters.size()));
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    AdamW::State& state = optimizer.states()[i];
    read_into(set, fmt::format("{}.value", i), parameters[i]->value);
    state.steps = steps[i].at("steps").get<int64_t>();
    if (state.steps > 0) optimizer.prepare(i);
    for (const auto& [name, tensor] : parts_of(state)) {
      read_into(set, fmt::format("{}.{}", i, name), *tensor);
    }
    if (!averages.empty()) read_into(set, fmt::format("{}.ema", i), averages[i]);
  }
  const auto progress = nlohmann::json::parse(field("progress"));
  return {{progress.at("micro_batch"),
           progress.at("optimizer_steps"),
           {progress.at("epoch"), progress.at("batch")},
           progress.at("loss_sum")},
          fingerprint};
}

}  // namespace gesso::runtime
