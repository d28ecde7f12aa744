#include "engine/config/params.hpp"

#include <algorithm>
#include <cmath>
#include <regex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/suggest.hpp"
#include "engine/registry/param.hpp"

namespace gesso::config {
namespace {

using nlohmann::json;
using registry::Param;

Param make(int32_t type, const char* key, const char* summary, json preset = nullptr,
           const char* unit = "", json min = nullptr, json max = nullptr,
           std::vector<std::string> choices = {}) {
  return {key,
          type,
          summary,
          unit,
          std::move(preset),
          std::move(min),
          std::move(max),
          std::move(choices)};
}

Param choice(const char* key, const char* summary, json preset, std::vector<std::string> choices) {
  return make(GESSO_VALUE_TEXT, key, summary, std::move(preset), "", nullptr, nullptr,
              std::move(choices));
}

constexpr int32_t kInt = GESSO_VALUE_INT, kInts = GESSO_VALUE_INTS, kReal = GESSO_VALUE_REAL;
constexpr int32_t kText = GESSO_VALUE_TEXT, kTexts = GESSO_VALUE_TEXTS, kBool = GESSO_VALUE_BOOL;

Param path(int32_t type, const char* key, const char* summary) {
  return make(type, key, summary, nullptr, kPathUnit);
}

Param download_source() {
  return choice("download_source",
                "The hub that missing files of model_id come from; default: "
                "DIFFSYNTH_DOWNLOAD_SOURCE, else modelscope",
                nullptr, {"modelscope", "huggingface"});
}

Param skip_download() {
  return make(kBool, "skip_download",
              "Missing files of model_id are an error instead of being fetched; default: "
              "DIFFSYNTH_SKIP_DOWNLOAD, else false");
}

const std::vector<Param> kFileParams = {
    make(kText, "model", "The model: a variant's name, such as \"Z-Image-Turbo\", its alias or id"),
    make(kText, "variant", "The same as model"),
    choice("numerics",
           "precise: rounding only where it is needed; diffsynth: the same roundings as "
           "DiffSynth-Studio",
           "precise", {"precise", "diffsynth"}),
    choice("dtype", "The type that all components compute in", "bf16", {"bf16", "f32"}),
    path(kText, "local_model_path",
         "The folder of models that model_id is looked for in; default: models in the working "
         "folder"),
    download_source(),
    skip_download()};

// Names and meaning as in DiffSynth-Studio's memory control; see docs/memory.md.
const std::vector<std::string> kStorageTypes = {
    "file",     "compute",  "disk",    "bf16",          "f32",        "fp8_e4m3",
    "fp8_e5m2", "bfloat16", "float32", "float8_e4m3fn", "float8_e5m2"};

Param storage(const char* key, const char* summary) {
  return choice(key, summary, nullptr, kStorageTypes);
}

Param device(const char* key, const char* summary) {
  return make(kText, key, summary, nullptr, kDeviceUnit);
}

const std::vector<Param> kComponentMemoryParams = {
    storage("offload_dtype", "Type of weights whose component waits for its turn"),
    device("offload_device", "Where they are then: cpu, disk, cuda:0, sim:0"),
    storage("onload_dtype", "Type of weights whose component works"),
    device("onload_device", "Where they are then"),
    storage("preparing_dtype",
            "Type of weights that were made ready, as long as vram_limit allows"),
    device("preparing_device", "Where they are then"),
    choice("computation_dtype", "The type that is computed in", nullptr,
           {"bf16", "f32", "bfloat16", "float32"}),
    device("computation_device", "Where it is computed: cpu, cuda:0, sim:0"),
    make(kReal, "vram_limit",
         "What weights and activations may take where it is computed; [memory] only: enforced",
         nullptr, "GiB", 0.0),
};

std::vector<Param> all_memory_params() {
  std::vector<Param> params = {make(
      kText, "policy",
      "Who decides where weights are: resident, offload, stream, auto, or another policy's id")};
  params.insert(params.end(), kComponentMemoryParams.begin(), kComponentMemoryParams.end());
  params.push_back(make(kReal, "sim_capacity", "Of simulated devices; default: without limit",
                        nullptr, "GiB", 0.0));
  params.push_back(make(kReal, "sim_bandwidth",
                        "Of transfers to simulated devices; default: as fast as memory", nullptr,
                        "GiB per second", 0.0));
  return params;
}

const std::vector<Param> kComponentParams = {
    make(kText, "id", "Another component of the same kind than the variant's own"),
    make(kTexts, "path",
         "Its weights: a file, a list of files, a pattern such as \"model-*.safetensors\", or a "
         "folder; relative to this file",
         nullptr, kPathUnit),
    make(kText, "model_id",
         "Instead of path: a model by its hub's name, such as "
         "\"Tongyi-MAI/Z-Image-Turbo\""),
    make(kTexts, "origin_file_pattern",
         "Which files of that model, such as \"transformer/*.safetensors\" or \"tokenizer/\""),
    download_source(),
    skip_download(),
    make(kPairsValue, "state_dict",
         "Other names for the tensors of the files: pairs of a regular expression and what takes "
         "its "
         "place, such as [[\"^module\\\\.\", \"\"]]; tried in this order"),
    choice("dtype", "The type that this component computes in; default: the one of the file",
           nullptr, {"bf16", "f32"}),
    make(kOneTable, "memory", "Where its weights are; default: as [memory] says"),
    make(
        kText, "storage",
        "The format that its linear layers are kept in between uses, made while loading: nf4, fp4, "
        "int8_row, fp8_scaled, gguf.q8_0 ...; fp8_e4m3 and fp8_e5m2 are for all weights"),
    make(kTexts, "target_modules",
         "With storage: only these modules, each by its name or the end of it after a dot"),
    make(kTexts, "exclude_modules", "With storage: modules that stay as they are"),
};

// Names and defaults as in DiffSynth-Studio's Z-Image pipeline.
const std::vector<Param> kGenerateParams = {
    make(kTexts, "prompt", "What to paint; a list makes one picture of each", ""),
    make(kTexts, "negative_prompt", "What to keep away from; read only when cfg_scale is not 1",
         ""),
    make(kReal, "cfg_scale",
         "Strength of the prompt against the negative prompt; exactly 1 saves the second pass", 1.0,
         "", 0.0),
    make(kInt, "height", "Rounded up to the variant's multiple", 1024, "pixels", 16),
    make(kInt, "width", "Rounded up to the variant's multiple", 1024, "pixels", 16),
    make(kInts, "seed",
         "The same seed gives the same noise; a list makes one picture of each; default: random",
         nullptr, "", 0),
    choice("rand_device", "The device whose random numbers are used", "cpu", {"cpu"}),
    make(kInt, "num_inference_steps", "How often the denoiser runs", 8, "steps", 1, 1000),
    // 0 would leave nothing to do; schedulers take strengths above it only.
    make(kReal, "denoising_strength",
         "With input_image: 1 ignores the image, towards 0 it stays as it is", 1.0, "", 0.001, 1.0),
    make(kReal, "cfg_normalization",
         "Above 0: guidance makes the velocity at most so many times as long as the prompt's own",
         0.0, "", 0.0),
    make(kReal, "cfg_truncation", "Guidance ends after this part of the way from noise to picture",
         1.0, "", 0.0, 1.0),
    path(kText, "input_image", "The picture to start from (PNG, JPEG, WebP)"),
    path(kText, "inpaint_mask",
         "With input_image, of its size: white is painted anew, black is kept, grey in part"),
    make(kInt, "mask_blur", "Makes the edge of inpaint_mask soft", 0, "pixels", 0, 512),
    make(kBool, "inpaint_overlay",
         "What the mask keeps is taken from input_image, not from what the model made of it", true),
    make(kInts, "outpaint",
         "Paints beyond input_image: pixels to add on the left, top, right and bottom", nullptr,
         "pixels", 0, 8192),
    path(kTexts, "edit_image", "Pictures that the prompt speaks of (Omni models)"),
    make(kBool, "edit_image_auto_resize",
         "Shrinks edit images above a megapixel and crops them to multiples of 16 pixels", true),
    make(kTablesValue, "controlnet_inputs", "One table for each ControlNet picture"),
    path(kTexts, "image2lora_images", "Pictures whose style the prompt's side gets (i2L models)"),
    path(kTexts, "negative_image2lora_images",
         "Pictures whose style the negative prompt's side gets (i2L models)"),
    make(kBool, "positive_only_lora",
         "What image2lora_images make acts on the prompt's side of guidance only", true),
    make(kInt, "num_images", "Pictures to make; with a single seed they get seed, seed + 1, ...", 1,
         "pictures", 1, 10000),
    make(kInt, "preview_every", "Shows the picture so far every so many steps; 0: never", 0,
         "steps", 0),
    make(kInt, "denoise_tile_size",
         "Denoises in tiles of this size, for pictures beyond what the model knows; 0: as a whole",
         0, "pixels", 0),
    make(kInt, "denoise_tile_overlap", "By which these tiles overlap, and are blended", 128,
         "pixels", 16),
    make(kBool, "tiled", "Decodes in tiles, which needs less memory", false),
    make(kInt, "tile_size", "Edge of a tile; 0: the codec's own", 0, "latent cells", 0),
    make(kInt, "tile_stride", "From tile to tile, at most tile_size; 0: the codec's own", 0,
         "latent cells", 0),
};

// Names and defaults as in DiffSynth-Studio's ControlNetInput.
const std::vector<Param> kControlParams = {
    make(kText, "controlnet", "The role of its component", "controlnet"),
    path(kText, "image",
         "The control map, or a photograph for processor_id; of the picture's size"),
    path(kText, "inpaint_image", "The picture to paint in; of the picture's size"),
    path(kText, "inpaint_mask", "White is painted anew; of the picture's size"),
    make(kBool, "resize", "Stretches the pictures to the size of the new one", false),
    make(kReal, "scale", "Strength of the control", 1.0),
    make(kReal, "start", "The part of the steps before which it does not act", 0.0, "", 0.0, 1.0),
    make(kReal, "end", "The part of the steps after which it does not act", 1.0, "", 0.0, 1.0),
    make(
        kText, "processor_id",
        "Makes a map of the image: canny, gray, blur, tile, or another preprocessor's id; default: "
        "the image is a map"),
    make(kTableValue, "processor", "Parameters of the preprocessor"),
};

const std::vector<Param> kAdapterParams = {
    path(kTexts, "path", "The LoRA: a file, or its shards; relative to this file"),
    make(kText, "model_id", "Instead of path: a LoRA by its hub's name"),
    make(kText, "origin_file_pattern", "Which file of that model, such as \"*.safetensors\""),
    make(kText, "name", "What it is called later; default: the name of its file"),
    make(kReal, "scale", "How strongly it acts", 1.0),
    make(kText, "role", "The component whose weights it updates", "denoiser"),
    choice("side", "Which side of guidance it acts on", "both", {"both", "positive", "negative"}),
    choice("mode", "runtime: added while the component runs; fuse: added once to a copy", "runtime",
           {"runtime", "fuse"}),
    make(kBool, "strict", "A key that matches no weight is an error, else a warning", true),
    make(kText, "id", "The delta source that reads it; default: the one whose names fit"),
};

const std::vector<Param> kOutputParams = {
    make(kText, "path",
         "File of a picture, .png, .jpg, .jpeg or .webp; {name}, {index}, {seed} and {prompt} are "
         "replaced; relative to this file",
         nullptr, kPathUnit),
    make(kText, "sheet",
         "File of a contact sheet when there are several pictures; relative to this file", nullptr,
         kPathUnit),
    make(kInt, "quality", "Of JPEG and WebP", 95, "percent", 1, 100),
    path(kText, "trace",
         "File of what happened when, for chrome://tracing or ui.perfetto.dev; relative to this "
         "file"),
};

bool is_list(int32_t type) { return registry::element_type(type) != type; }

std::string wrong_type(const Param& param, const json& value) {
  return fmt::format("expected {}, found {}", expected(param), describe(value));
}

/// An integral real as an integer; `value` as it is if there is no such integer.
json to_integer(const json& value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53: above, reals skip integers
  if (!value.is_number_float()) return value;
  const double real = value.get<double>();
  const bool integral = std::trunc(real) == real && std::abs(real) <= kExact;
  return integral ? json(static_cast<int64_t>(real)) : value;
}

json to_item_type(int32_t type, const json& value) {
  if (type == GESSO_VALUE_INT) return to_integer(value);
  if (type == GESSO_VALUE_REAL && value.is_number_integer()) return json(value.get<double>());
  return value;
}

bool is_flat_table(const json& value) {
  return value.is_object() && std::all_of(value.begin(), value.end(),
                                          [](const json& item) { return item.is_primitive(); });
}

bool is_list_of_pairs(const json& value) {
  return value.is_array() && !value.empty() && std::ranges::all_of(value, [](const json& pair) {
           return pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
         });
}

bool has_type(int32_t type, const json& value) {
  switch (type) {
    case kTableValue:
    case kOneTable:
      return is_flat_table(value);
    case kPairsValue:
      return is_list_of_pairs(value);
    case GESSO_VALUE_INT:
      return value.is_number_integer();
    case GESSO_VALUE_REAL:
      return value.is_number_float() && std::isfinite(value.get<double>());
    case GESSO_VALUE_TEXT:
      return value.is_string();
    default:
      return value.is_boolean();
  }
}

std::string with_unit(const Param& param, const json& value) {
  return param.unit.empty() ? describe_number(value)
                            : fmt::format("{} {}", describe_number(value), param.unit);
}

std::string out_of_range(const Param& param, const json& value) {
  if (!value.is_number()) return {};
  if (!param.min.is_null() && value < param.min) {
    return fmt::format("{} is less than the least allowed, {}", describe_number(value),
                       with_unit(param, param.min));
  }
  if (!param.max.is_null() && value > param.max) {
    return fmt::format("{} is more than the most allowed, {}", describe_number(value),
                       with_unit(param, param.max));
  }
  return {};
}

std::string not_a_choice(const Param& param, const json& value) {
  const auto& choices = param.choices;
  if (choices.empty() || !value.is_string()) return {};
  const std::string word = value.get<std::string>();
  if (std::find(choices.begin(), choices.end(), word) != choices.end()) return {};
  return fmt::format("\"{}\" is not one of \"{}\"{}", word, fmt::join(choices, "\", \""),
                     base::did_you_mean(word, choices));
}

std::string not_a_device(const Param& param, const json& value) {
  if (param.unit != kDeviceUnit) return {};
  static const std::regex pattern("cpu|disk|meta|(cuda|sim)(:[0-9]{1,3})?");
  const std::string name = value.get<std::string>();
  if (std::regex_match(name, pattern)) return {};
  return fmt::format("there is no device \"{}\"; expected cpu, cuda:0, sim:0, disk or meta", name);
}

Checked check_item(const Param& param, const json& given) {
  const int32_t type = registry::element_type(param.type);
  const json value = to_item_type(type, given);
  if (!has_type(type, value)) return {value, wrong_type(param, given)};
  std::string problem = not_a_device(param, value);
  if (problem.empty()) problem = out_of_range(param, value);
  return {value, problem.empty() ? not_a_choice(param, value) : problem};
}

}  // namespace

const std::vector<Param>& file_params() { return kFileParams; }
const std::vector<Param>& component_params() { return kComponentParams; }
const std::vector<Param>& generate_params() { return kGenerateParams; }
const std::vector<Param>& output_params() { return kOutputParams; }
const std::vector<Param>& adapter_params() { return kAdapterParams; }
const std::vector<Param>& memory_params() {
  static const std::vector<Param> kMemoryParams = all_memory_params();
  return kMemoryParams;
}

const std::vector<Param>& plugins_params() {
  static const std::vector<Param> kPluginsParams = {
      make(kTexts, "isolate",
           "Ids of components, or of plugins with all of theirs, that run in a process of their "
           "own: a crash there is an error here")};
  return kPluginsParams;
}

const std::vector<Param>& item_params(std::string_view key) {
  static const std::vector<Param> kNone;
  if (key == "memory") return kComponentMemoryParams;
  return key == "controlnet_inputs" ? kControlParams : kNone;
}

std::vector<Param> generate_params(const std::vector<const registry::ComponentInfo*>& components,
                                   const registry::VariantInfo& variant) {
  std::vector<Param> params = kGenerateParams;
  for (const registry::ComponentInfo* component : components) {
    for (const Param& param : component->run_params) {
      Param* standard = const_cast<Param*>(find_param(params, param.key));
      if (standard && !param.preset.is_null()) standard->preset = param.preset;
      if (!standard && is_run_param_kind(component->kind)) params.push_back(param);
    }
  }
  const json max_size =
      variant.limits.is_object() ? variant.limits.value("max_size", json()) : json();
  for (Param& param : params) {
    if (variant.defaults.contains(param.key)) param.preset = variant.defaults[param.key];
    if (param.key == "height" || param.key == "width") param.max = max_size;
  }
  return params;
}

std::vector<Param> generate_params(const registry::Registry& registry,
                                   const registry::VariantInfo& variant) {
  std::vector<const registry::ComponentInfo*> components;
  for (const registry::Role& role : variant.roles) {
    for (const registry::ComponentInfo& component : registry.components()) {
      if (component.id == role.component) components.push_back(&component);
    }
  }
  return generate_params(components, variant);
}

bool is_run_param_kind(std::string_view kind) { return kind == "scheduler" || kind == "composer"; }

const Param* find_param(const std::vector<Param>& params, std::string_view key) {
  for (const Param& param : params) {
    if (param.key == key) return &param;
  }
  return nullptr;
}

std::string unknown_parameter(const std::string& key, const std::vector<Param>& params) {
  std::vector<std::string> keys;
  for (const Param& param : params) keys.push_back(param.key);
  const std::string advice = base::did_you_mean(key, keys);
  return fmt::format(
      "unknown parameter \"{}\"{}", key,
      advice.empty() ? fmt::format("; expected one of {}", fmt::join(keys, ", ")) : advice);
}

std::string expected(const Param& param) {
  switch (param.type) {
    case GESSO_VALUE_INT:
      return "an integer";
    case GESSO_VALUE_REAL:
      return "a number";
    case GESSO_VALUE_TEXT:
      return "a text";
    case GESSO_VALUE_INTS:
      return "an integer or a list of integers";
    case GESSO_VALUE_REALS:
      return "a number or a list of numbers";
    case GESSO_VALUE_TEXTS:
      return "a text or a list of texts";
    case kTableValue:
      return "a table of single values";
    case kOneTable:
      return "a table";
    case kTablesValue:
      return "a table or a list of tables";
    case kPairsValue:
      return "a list of pairs of texts";
    default:
      return "true or false";
  }
}

std::string describe_number(const json& value) {
  return value.is_number_float() ? fmt::format("{}", value.get<double>()) : value.dump();
}

std::string describe(const json& value) {
  if (value.is_object()) return "a table";
  if (value.is_array()) return value.empty() ? "an empty list" : "a list";
  if (value.is_string()) return fmt::format("the text \"{}\"", value.get<std::string>());
  if (value.is_number_integer()) return "the integer " + describe_number(value);
  if (value.is_number()) return "the number " + describe_number(value);
  return value.dump();
}

namespace {

Checked check_tables(const Param& param, const json& value) {
  const json list = value.is_object() ? json::array({value}) : value;
  Checked checked{json::array(), {}};
  if (!list.is_array() || list.empty()) return {value, wrong_type(param, value)};
  const std::vector<Param>& params = item_params(param.key);
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_object()) return {value, wrong_type(param, value)};
    json table = json::object();
    for (const auto& [key, item] : list[i].items()) {
      const std::string where = fmt::format("item {}: ", i + 1);
      const Param* known = find_param(params, key);
      if (!known) return {value, where + unknown_parameter(key, params)};
      Checked one = check_value(*known, item);
      if (!one.problem.empty()) return {value, where + key + ": " + one.problem};
      table[key] = std::move(one.value);
    }
    checked.value.push_back(std::move(table));
  }
  return checked;
}

}  // namespace

Checked check_value(const Param& param, const json& value) {
  if (param.type == kTablesValue) return check_tables(param, value);
  if (!is_list(param.type)) return check_item(param, value);
  if (!value.is_array()) {
    Checked item = check_item(param, value);
    return {json::array({item.value}), item.problem};
  }
  if (value.empty()) return {value, wrong_type(param, value)};
  Checked list{json::array(), {}};
  Param item_param = param;
  item_param.type = registry::element_type(param.type);
  for (size_t i = 0; i < value.size(); ++i) {
    Checked item = check_item(item_param, value[i]);
    if (!item.problem.empty()) return {value, fmt::format("item {}: {}", i + 1, item.problem)};
    list.value.push_back(item.value);
  }
  return list;
}

}  // namespace gesso::config
