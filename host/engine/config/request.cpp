#include "engine/config/request.hpp"

#include <filesystem>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/suggest.hpp"
#include "engine/config/params.hpp"
#include "engine/config/pictures.hpp"
#include "engine/image/image_io.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using registry::Param;

std::vector<Param> params_of(const PipelinePlan& plan) {
  std::vector<const registry::ComponentInfo*> components;
  for (const ComponentPlan& component : plan.components) components.push_back(component.info);
  return generate_params(components, *plan.variant);
}

std::string unknown_parameter(const std::string& key, const std::vector<Param>& params) {
  std::vector<std::string> keys;
  for (const Param& param : params) keys.push_back(param.key);
  const std::string advice = base::did_you_mean(key, keys);
  return fmt::format(
      "unknown parameter \"{}\"{}", key,
      advice.empty() ? fmt::format("; expected one of {}", fmt::join(keys, ", ")) : advice);
}

/// The values of the request itself.
json check_request(const json& values, const std::vector<Param>& params) {
  json checked = json::object();
  std::vector<std::string> problems;
  for (const auto& [key, value] : values.items()) {
    const Param* param = find_param(params, key);
    if (!param) {
      problems.push_back(unknown_parameter(key, params));
      continue;
    }
    Checked result = check_value(*param, value);
    if (!result.problem.empty()) problems.push_back(key + ": " + result.problem);
    checked[key] = std::move(result.value);
  }
  if (problems.empty()) return checked;
  throw Error(Status::InvalidArgument, fmt::format("{}", fmt::join(problems, "\n")));
}

/// Presets and the variant's defaults, in the form of checked values.
json presets_of(const std::vector<Param>& params) {
  json presets = json::object();
  for (const Param& param : params) {
    if (!param.preset.is_null()) presets[param.key] = check_value(param, param.preset).value;
  }
  return presets;
}

void check_tiles(const json& values) {
  const int64_t size = values["tile_size"], stride = values["tile_stride"];
  if (size == 0 || stride <= size) return;
  throw Error(
      Status::InvalidArgument,
      fmt::format("tile_stride: {} is more than tile_size, {}; tiles must touch", stride, size));
}

std::shared_ptr<const image::Image> load_input_image(const json& values, const Images& images) {
  for (const auto& [key, image] : images) {
    if (key == "input_image") return image;
    throw Error(Status::InvalidArgument,
                fmt::format("unknown picture \"{}\"; expected input_image", key));
  }
  if (!values.contains("input_image")) return nullptr;
  return std::make_shared<const image::Image>(
      image::load(fs::absolute(values["input_image"].get<std::string>())));
}

std::vector<std::string> prompts_of(const json& list, int64_t count) {
  if (list.size() == 1) return std::vector<std::string>(count, list[0].get<std::string>());
  return list.get<std::vector<std::string>>();
}

std::vector<uint64_t> random_seeds(int64_t count) {
  std::random_device device;
  std::vector<uint64_t> seeds;
  for (int64_t i = 0; i < count; ++i) seeds.push_back(device() & 0xFFFFFFFFu);
  return seeds;
}

std::vector<uint64_t> seeds_of(const json& values, int64_t count) {
  if (!values.contains("seed")) return random_seeds(count);
  auto seeds = values["seed"].get<std::vector<uint64_t>>();
  const uint64_t step = values["num_images"] == 1 ? 0 : 1;
  while (static_cast<int64_t>(seeds.size()) < count) seeds.push_back(seeds.back() + step);
  return seeds;
}

/// The values that somebody has set and that components of this kind read, beside the standard
/// ones.
json values_for(std::string_view kind, const PipelinePlan& plan, const json& set) {
  json values = json::object();
  for (const ComponentPlan& component : plan.components) {
    if (component.info->kind != kind) continue;
    for (const Param& param : component.info->run_params) {
      const bool standard = find_param(generate_params(), param.key);
      if (standard || !set.contains(param.key)) continue;
      values[param.key] = check_value(param, set[param.key]).value;
    }
  }
  return values;
}

json metadata_of(const PipelinePlan& plan, json values) {
  // What differs from picture to picture, or is of no use to make it again.
  for (const char* key :
       {"prompt", "negative_prompt", "seed", "num_images", "preview_every", "input_image"}) {
    values.erase(key);
  }
  json components = json::object();
  for (const ComponentPlan& component : plan.components) {
    components[component.role] = {{"id", component.info->id},
                                  {"version", component.info->version},
                                  {"dtype", component.dtype}};
  }
  return {{"variant", plan.variant->id},
          {"numerics", plan.numerics},
          {"components", components},
          {"generate", values}};
}

}  // namespace

runtime::GenerateRequest resolve_request(const PipelinePlan& plan, const json& values,
                                         const Images& images) {
  const std::vector<Param> params = params_of(plan);
  json asked = plan.generate;
  asked.update(check_request(values, params));
  json set = plan.variant->defaults;
  set.update(asked);
  json all = presets_of(params);
  all.update(asked);
  check_tiles(all);

  const int64_t count = count_pictures(all);
  runtime::GenerateRequest request;
  request.prompts = prompts_of(all["prompt"], count);
  request.negative_prompts = prompts_of(all["negative_prompt"], count);
  request.seeds = seeds_of(all, count);
  request.rand_device = all["rand_device"];
  request.cfg_scale = all["cfg_scale"];
  request.height = all["height"];
  request.width = all["width"];
  request.num_inference_steps = all["num_inference_steps"];
  request.denoising_strength = all["denoising_strength"];
  request.input_image = load_input_image(all, images);
  request.preview_every = all["preview_every"];
  request.tiled = all["tiled"];
  request.tile_size = all["tile_size"];
  request.tile_stride = all["tile_stride"];
  request.scheduler_values = values_for("scheduler", plan, set);
  request.composer_values = values_for("composer", plan, set);
  request.metadata = metadata_of(plan, all);
  return request;
}

json picture_metadata(const runtime::GenerateRequest& request, size_t index) {
  json metadata = request.metadata;
  json& generate = metadata["generate"];
  generate["prompt"] = request.prompts.at(index);
  generate["negative_prompt"] = request.negative_prompts.at(index);
  generate["seed"] = request.seeds.at(index);
  generate["height"] = request.height;
  generate["width"] = request.width;
  return metadata;
}

}  // namespace gesso::config
