#include "engine/config/request.hpp"

#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/config/params.hpp"
#include "engine/config/pictures.hpp"
#include "engine/config/request_pictures.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace {

using nlohmann::json;
using registry::Param;

std::vector<Param> params_of(const PipelinePlan& plan) {
  std::vector<const registry::ComponentInfo*> components;
  for (const ComponentPlan& component : plan.components) components.push_back(component.info);
  return generate_params(components, *plan.variant);
}

/// Values that were given one by one as "controlnet_inputs.0.scale", put together; pictures in
/// memory count as entries, too.
json unfolded(const json& values, const Images& images, const std::vector<Param>& params) {
  json result = json::object();
  const auto slot = [&](const std::string& key) -> json* {
    const size_t first = key.find('.'), second = key.find('.', first + 1);
    if (first == std::string::npos || second == std::string::npos) return nullptr;
    const Param* param = find_param(params, key.substr(0, first));
    const std::string number = key.substr(first + 1, second - first - 1);
    const bool digits = !number.empty() && number.size() < 4 &&
                        number.find_first_not_of("0123456789") == std::string::npos;
    if (!param || param->type != kTablesValue || !digits) return nullptr;
    json& list = result[param->key];
    while (list.size() <= std::stoul(number)) list.push_back(json::object());
    return &list[std::stoul(number)];
  };
  for (const auto& [key, value] : values.items()) {
    json* table = slot(key);
    (table ? (*table)[key.substr(key.rfind('.') + 1)] : result[key]) = value;
  }
  for (const auto& [key, image] : images) slot(key);
  return result;
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
  if (size != 0 && stride > size) {
    throw Error(
        Status::InvalidArgument,
        fmt::format("tile_stride: {} is more than tile_size, {}; tiles must touch", stride, size));
  }
  const int64_t tile = values["denoise_tile_size"], overlap = values["denoise_tile_overlap"];
  if (tile == 0 || overlap < tile) return;
  throw Error(Status::InvalidArgument,
              fmt::format("denoise_tile_overlap: {} is not less than denoise_tile_size, {}",
                          overlap, tile));
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
  for (const char* key : {"prompt", "negative_prompt", "seed", "num_images", "preview_every",
                          "input_image", "inpaint_mask", "edit_image", "controlnet_inputs",
                          "image2lora_images", "negative_image2lora_images"}) {
    values.erase(key);
  }
  json components = json::object();
  for (const ComponentPlan& component : plan.components) {
    components[component.role] = {{"id", component.info->id},
                                  {"version", component.info->version},
                                  {"dtype", component.dtype}};
  }
  json adapters = json::array();
  for (const AdapterPlan& adapter : plan.adapters) {
    adapters.push_back({{"name", adapter.name},
                        {"file", adapter.files.front().filename().string()},
                        {"scale", adapter.scale}});
  }
  json metadata = {{"variant", plan.variant->id},
                   {"numerics", plan.numerics},
                   {"components", components},
                   {"generate", values}};
  if (!adapters.empty()) metadata["adapters"] = adapters;
  return metadata;
}

}  // namespace

runtime::GenerateRequest resolve_request(const PipelinePlan& plan, const json& values,
                                         const Images& images) {
  const std::vector<Param> params = params_of(plan);
  json asked = plan.generate;
  asked.update(check_request(unfolded(values, images, params), params));
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
  request.cfg_normalization = all["cfg_normalization"];
  request.cfg_truncation = all["cfg_truncation"];
  request.inpaint_overlay = all["inpaint_overlay"];
  request.edit_image_auto_resize = all["edit_image_auto_resize"];
  request.positive_only_lora = all["positive_only_lora"];
  add_pictures(request, *plan.registry, all, images);
  request.preview_every = all["preview_every"];
  request.tiled = all["tiled"];
  request.tile_size = all["tile_size"];
  request.tile_stride = all["tile_stride"];
  request.denoise_tile_size = all["denoise_tile_size"];
  request.denoise_tile_overlap = all["denoise_tile_overlap"];
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
