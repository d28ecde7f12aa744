// The tokenizer, and whole runs from words to pixels.
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/TensorOperators.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <cstring>
#include <fstream>

#include "components.hpp"
#include "gesso/kind/tokenizer.h"
#include "kinds.hpp"
#include "runtime/generation.hpp"

namespace gesso::golden {
namespace {

/// tokenizer.json, unpacked for the time of a case.
class Unpacked {
 public:
  explicit Unpacked(const std::filesystem::path& packed)
      : folder_(std::filesystem::temp_directory_path() / fmt::format("gesso-golden-{}", getpid())) {
    std::filesystem::create_directories(folder_);
    gzFile in = gzopen(packed.c_str(), "rb");
    if (!in) throw Error(Status::NotFound, packed.string() + ": cannot be opened");
    std::ofstream out(file(), std::ios::binary);
    std::vector<char> buffer(1 << 20);
    for (int n; (n = gzread(in, buffer.data(), static_cast<unsigned>(buffer.size()))) > 0;)
      out.write(buffer.data(), n);
    gzclose(in);
  }
  ~Unpacked() { std::filesystem::remove_all(folder_); }
  Unpacked(const Unpacked&) = delete;
  Unpacked& operator=(const Unpacked&) = delete;
  std::filesystem::path file() const { return folder_ / "tokenizer.json"; }

 private:
  std::filesystem::path folder_;
};

std::vector<int32_t> encode(Bench& bench, const std::string& text) {
  const auto& table = bench.instance().interface<gesso_tokenizer_t>(GESSO_TOKENIZER_ID);
  std::vector<int32_t> ids(text.size() * 2 + 16);
  uint64_t count = 0;
  ErrorText error;
  check(table.encode(bench.instance().self(), text.data(), text.size(), ids.data(), ids.size(),
                     &count, &error.error),
        error);
  ids.resize(count);
  return ids;
}

std::vector<int32_t> cut(std::vector<int32_t> ids, size_t max_length) {
  if (ids.size() > max_length) ids.resize(max_length);
  return ids;
}

/// The segments of the reference's edit prompt for `images` pictures; one segment without.
std::vector<std::string> segments(const std::string& prompt, int images) {
  const std::string turn = fmt::format("{}<|im_end|>\n<|im_start|>assistant\n", prompt);
  if (images == 0) return {"<|im_start|>user\n" + turn};
  std::vector<std::string> list{"<|im_start|>user\n<|vision_start|>"};
  for (int i = 1; i < images; ++i) list.push_back("<|vision_end|><|vision_start|>");
  list.push_back("<|vision_end|>" + turn + "<|vision_start|>");
  list.push_back("<|vision_end|><|im_end|>");
  return list;
}

Tensors tokenizer_encode(const Context& context, const Case& golden) {
  const Unpacked tokenizer(golden.path(golden.params().at("tokenizer_json_gz")));
  Bench bench(context.registry,
              plain_plan(*context.registry, "tokenizer", {{"path", tokenizer.file().string()}}),
              "precise");
  const size_t max_length = golden.params().value("max_length", 512u);
  const nlohmann::json inputs = golden.json_file("inputs"), outputs = golden.json_file("outputs");
  int64_t mismatches = 0;
  for (size_t i = 0; i < inputs.at("prompts").size(); ++i) {
    const auto& prompt = inputs.at("prompts")[i];
    const auto& expected = outputs.at("prompts").at(i);
    const std::string text = prompt.at("text");
    nlohmann::json found = {{"id", prompt.at("id")}};
    if (expected.contains("segments")) {
      for (const std::string& segment : segments(text, prompt.value("edit_images", 0))) {
        found["segments"].push_back(cut(encode(bench, segment), max_length));
      }
    } else {
      const auto ids = encode(bench, segments(text, 0).front());
      found["input_ids"] = cut(ids, max_length);
      found["content_ids"] = nullptr;
      if (!expected.at("content_ids").is_null()) found["content_ids"] = encode(bench, text);
      found["untruncated_length"] = ids.size();
    }
    if (found != expected) {
      ++mismatches;
      fmt::print(stderr, "{}: prompt {} differs\n", golden.name(),
                 prompt.at("id").get<std::string>());
    }
  }
  return {{"json", at::zeros({1}) + mismatches}};
}

runtime::Picture picture_of(const Case& golden, const std::string& name) {
  if (!golden.inputs.contains(name)) return nullptr;
  const at::Tensor bytes = golden.input(name).contiguous();
  auto image = std::make_shared<image::Image>(static_cast<int>(bytes.size(1)),
                                              static_cast<int>(bytes.size(0)), 3);
  std::memcpy(image->pixels.data(), bytes.const_data_ptr(), image->pixels.size());
  return image;
}

runtime::GenerateRequest request_of(const Case& golden) {
  const auto& call = golden.params().at("call");
  runtime::GenerateRequest request;
  request.prompts = {call.at("prompt")};
  request.negative_prompts = {call.value("negative_prompt", "")};
  request.seeds = {call.at("seed").get<uint64_t>()};
  request.cfg_scale = call.value("cfg_scale", 1.0);
  request.height = call.value("height", 1024);
  request.width = call.value("width", 1024);
  request.num_inference_steps = call.value("num_inference_steps", 8);
  request.denoising_strength = call.value("denoising_strength", 1.0);
  if (call.contains("sigma_shift") && !call.at("sigma_shift").is_null()) {
    request.scheduler_values["sigma_shift"] = call.at("sigma_shift");
  }
  request.input_image = picture_of(golden, "input_image");
  for (int i = 0; golden.inputs.contains(fmt::format("edit_image.{}", i)); ++i) {
    request.edit_images.push_back(picture_of(golden, fmt::format("edit_image.{}", i)));
  }
  if (golden.json.at("weights").contains("controlnet")) {
    runtime::ControlNetInput input;
    input.image = picture_of(golden, "control_image");
    input.inpaint_image = picture_of(golden, "inpaint_image");
    input.inpaint_mask = picture_of(golden, "inpaint_mask");
    input.scale = call.value("control_scale", 1.0);
    request.controlnet_inputs = {input};
  }
  return request;
}

bool is_omni(const Case& golden) {
  const auto& config = golden.json.at("weights").at("dit").at("config");
  return config.contains("siglip_feat_dim") && !config.at("siglip_feat_dim").is_null();
}

config::AdapterPlan positive_only_lora(registry::Registry& registry, const Case& golden) {
  config::AdapterPlan plan;
  plan.name = "positive_only_lora";
  plan.where = "case.json";
  plan.source = &registry.component("org.gesso.lora.source");
  for (const auto& file : golden.json.at("weights").at(plan.name).at("files")) {
    plan.files.push_back(golden.path(file));
  }
  plan.tensors = std::make_shared<weights::WeightSet>(weights::WeightSet::open(plan.files));
  plan.side = config::AdapterPlan::Side::Positive;
  return plan;
}

config::PipelinePlan plan_of(const Context& context, const Case& golden,
                             const std::filesystem::path& tokenizer) {
  registry::Registry& registry = *context.registry;
  const std::string dtype = golden.compute_dtype();
  const std::string variant = is_omni(golden) ? "org.gesso.z_image_omni_base" : "org.gesso.z_image";
  const auto& weights = golden.json.at("weights");
  config::PipelinePlan plan;
  plan.name = "case.json";
  plan.registry = context.registry;
  plan.variant = &registry.variant(variant);
  plan.numerics = "diffsynth";  // the reference's conventions; nothing is rounded in float32
  plan.components = {
      plain_plan(registry, "tokenizer", {{"path", tokenizer.string()}}),
      weights_plan(registry, golden, "text_encoder", "text_encoder", dtype),
      weights_plan(registry, golden, "dit", "denoiser", dtype, variant + ".denoiser"),
      weights_plan(registry, golden, "vae", "codec", dtype),
      plain_plan(registry, "composer", nlohmann::json::object(), variant + ".composer"),
      plain_plan(registry, "scheduler"),
      plain_plan(registry, "memory_policy")};
  plan.components[1].values["token_ids_modulo_vocab"] = true;  // the case has a small vocabulary
  plan.components[1].values["rope_inv_freq"] =
      golden.params().value("rope_inv_freq", "float32") == "bfloat16" ? "bf16" : "f32";
  if (weights.contains("controlnet")) {
    plan.components.push_back(weights_plan(registry, golden, "controlnet", "controlnet", dtype));
  }
  if (weights.contains("siglip2_428m")) {
    plan.components.push_back(
        weights_plan(registry, golden, "siglip2_428m", "image_encoder", dtype));
  }
  if (weights.contains("positive_only_lora")) {
    plan.adapters.push_back(positive_only_lora(registry, golden));
  }
  return plan;
}

/// "prompt_embeds.positive.j": the segments of the prompt; a text of one piece is its only segment.
void add_text(const Tensors& made, const std::string& what, const std::string& side,
              Tensors& outputs) {
  const std::string name = fmt::format("{}.{}", what, side);
  if (!made.contains(name + ".0")) return;
  const at::Tensor rows = made.at(name + ".0");
  const auto segments = made.find(fmt::format("text_segments.{}.0", side));
  if (segments == made.end()) {
    outputs[name + ".0"] = rows;
    return;
  }
  int64_t begin = 0;
  for (int64_t j = 0; j < segments->second.size(0); ++j) {
    const int64_t count = segments->second[j].item<int64_t>();
    outputs[fmt::format("{}.{}", name, j)] = rows.narrow(0, begin, count).clone();
    begin += count;
  }
}

/// The trace of a run under the names of the case's outputs.
Tensors outputs_of(const Tensors& made) {
  Tensors outputs{{"noise", made.at("noise.0").unsqueeze(0)},
                  {"latents.start", made.at("latents.0.start").unsqueeze(0)},
                  {"noise_pred.0", made.at("prediction.0.0").unsqueeze(0)},
                  {"image", made.at("image.0").unsqueeze(0)}};
  if (made.contains("input_latents")) {
    outputs["input_latents"] = made.at("input_latents").unsqueeze(0);
  }
  if (made.contains("control_context.0")) {  // with a batch axis and one frame
    outputs["control_context"] = made.at("control_context.0").unsqueeze(0).unsqueeze(2);
  }
  for (const char* side : {"positive", "negative"}) {
    for (const char* what : {"token_ids", "prompt_embeds"}) add_text(made, what, side, outputs);
  }
  for (int i = 0; made.contains(fmt::format("image_latents.{}", i)); ++i) {
    const std::string latents = fmt::format("image_latents.{}", i);
    outputs[latents] = made.at(latents).unsqueeze(0);
  }
  for (int i = 0; made.contains(fmt::format("image_embeds.{}", i)); ++i) {
    outputs[fmt::format("image_embeds.{}", i)] = made.at(fmt::format("image_embeds.{}", i));
  }
  for (int k = 0; made.contains(fmt::format("latents.0.{}", k)); ++k) {
    outputs[fmt::format("latents.{}", k)] = made.at(fmt::format("latents.0.{}", k)).unsqueeze(0);
  }
  return outputs;
}

Tensors pipeline_run(const Context& context, const Case& golden) {
  const Unpacked tokenizer(golden.path(golden.params().at("tokenizer_json_gz")));
  const runtime::Watch nobody;
  runtime::LoadedPipeline pipeline(plan_of(context, golden, tokenizer.file()), nobody);
  runtime::Trace trace;
  pipeline.record(&trace);
  runtime::GenerateRequest request = request_of(golden);
  pipeline.check(request, nobody);
  image::Image picture;
  pipeline.generate(request, nobody, [&](image::Image&& image) { picture = std::move(image); });

  Tensors outputs = outputs_of(trace.tensors);
  const at::Tensor bytes =
      at::empty({picture.height, picture.width, 3}, at::TensorOptions().dtype(at::kByte));
  std::memcpy(bytes.mutable_data_ptr(), picture.pixels.data(), picture.pixels.size());
  outputs["image_u8"] = bytes;
  return outputs;
}

}  // namespace

void add_pipeline_kinds(std::map<std::string, Compute>& table) {
  table["tokenizer.encode"] = tokenizer_encode;
  table["pipeline.run"] = pipeline_run;
}

}  // namespace gesso::golden
