#include "runtime/generation.hpp"

#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "engine/registry/json_values.hpp"
#include "gesso/kind/codec.h"
#include "runtime/activations.hpp"
#include "runtime/checks.hpp"
#include "runtime/forecast.hpp"
#include "runtime/image2lora.hpp"
#include "runtime/machine.hpp"
#include "runtime/operation_run.hpp"
#include "runtime/sampling.hpp"
#include "runtime/training/trainer.hpp"

namespace gesso::runtime {
namespace {

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Lets the memory know what tensors take while a job runs.
class Measured {
 public:
  Measured(Memory& memory, const ActivationMeter& meter) : memory_(memory) {
    memory_.measure(&meter);
  }
  ~Measured() { memory_.measure(nullptr); }
  Measured(const Measured&) = delete;
  Measured& operator=(const Measured&) = delete;

 private:
  Memory& memory_;
};

Event info_event(const std::string& text) {
  Event event;
  event.type = Event::Info;
  event.text = text;
  return event;
}

PreviewMap preview_map(const Instance& codec, uint32_t& channels) {
  const auto& table = codec.interface<gesso_codec_t>(GESSO_CODEC_ID);
  uint32_t pixels_per_cell = 0;
  table.geometry(codec.self(), &channels, &pixels_per_cell);
  if (channels == 0 || channels > 4096 || pixels_per_cell == 0 || pixels_per_cell > 1024) {
    throw Error(Status::BadData,
                fmt::format("{} tells a geometry of {} channels and {} pixels per cell, expected 1 "
                            "to 4096 and 1 to 1024",
                            codec.plan().info->id, channels, pixels_per_cell));
  }
  PreviewMap map{std::vector<float>(size_t{channels} * 3), std::vector<float>(3), pixels_per_cell};
  if (!GESSO_HAS(gesso_codec_t, &table, preview) ||
      !table.preview(codec.self(), map.weight.data(), map.bias.data())) {
    map.weight.clear();
  }
  return map;
}

}  // namespace

LoadedPipeline::LoadedPipeline(const config::PipelinePlan& plan, const Watch& watch)
    : plan_(plan),
      parts_(plan_, watch, sim_settings(plan_)),
      adapters_(parts_),
      memory_(plan_, parts_) {
  // Training from a cache has no codec.
  if (parts_.find("codec")) preview_ = preview_map(parts_.get("codec"), latent_channels_);
  for (const config::AdapterPlan& adapter : plan_.adapters) add_adapter(adapter, watch);
}

void LoadedPipeline::add_adapter(const config::AdapterPlan& plan, const Watch& watch) {
  const c10::InferenceMode inference;
  const Attached attached(parts_.messages(), watch);
  prompts_.clear();
  adapters_.add(plan, CallScope(watch));
}

void LoadedPipeline::set_adapter_scale(const std::string& name, double scale) {
  prompts_.clear();
  adapters_.set_scale(name, scale);
}

void LoadedPipeline::remove_adapter(const std::string& name) {
  prompts_.clear();
  adapters_.remove(name);
}

void LoadedPipeline::check(GenerateRequest& request, const Watch& watch) {
  const int64_t multiple =
      plan_.variant->limits.value("size_multiple", 2 * preview_.pixels_per_cell);
  for (auto [name, size] :
       {std::pair("height", &request.height), std::pair("width", &request.width)}) {
    const int64_t rounded = round_up(*size, multiple);
    if (rounded == *size) continue;
    watch.event(info_event(fmt::format("{} {} is rounded up to {}, a multiple of {}", name, *size,
                                       rounded, multiple)));
    *size = rounded;
  }
  check_request(parts_, plan_, request);
}

std::vector<StageNeed> LoadedPipeline::needs_of(const GenerateRequest& request) const {
  return stages_of(parts_, plan_, request, {latent_channels_, preview_.pixels_per_cell});
}

/// Before any work: whether the request fits, and if not, what would.
void LoadedPipeline::check_limit(const GenerateRequest& request,
                                 const std::vector<StageNeed>& needs) const {
  const Forecaster forecaster(plan_, parts_, needs);
  const Forecast forecast = forecaster.run(memory_limit(plan_));
  if (forecast.problem.empty()) return;
  const auto gib = [](uint64_t bytes) { return static_cast<double>(bytes) / (1 << 30); };
  std::string advice;
  if (!request.tiled) {
    GenerateRequest tiled = request;
    tiled.tiled = true;
    const uint64_t less = Forecaster(plan_, parts_, needs_of(tiled)).smallest_limit();
    advice = fmt::format(", with tiled = true {:.2f} GiB", gib(less));
  }
  throw Error(
      Status::OutOfMemory,
      fmt::format("memory.vram_limit of {:.2f} GiB is too small: {}. The smallest limit that "
                  "would do is {:.2f} GiB{}",
                  gib(forecast.limit), forecast.problem, gib(forecaster.smallest_limit()), advice));
}

nlohmann::json LoadedPipeline::plan(const GenerateRequest& request,
                                    const std::vector<uint64_t>& limits, const Watch& watch) {
  const Attached attached(parts_.messages(), watch);
  const std::vector<StageNeed> needs = needs_of(request);
  const Forecaster forecaster(plan_, parts_, needs);
  const nlohmann::json rates = measure_gemm(watch);
  const std::string type = parts_.get("denoiser").plan().dtype;
  const double flops = rates.value("gemm_" + type, 0.0) * 1e9;
  const double reading = measure_reading(parts_);
  nlohmann::json forecasts = nlohmann::json::array();
  for (const uint64_t limit : limits) {
    forecasts.push_back(forecast_json(forecaster.run(limit), flops, reading));
  }
  nlohmann::json components = nlohmann::json::object();
  for (const ResidentUnit& unit : resident_units(parts_)) {
    nlohmann::json& entry = components[unit.role];
    if (entry.is_null()) {
      entry = {{"units", 0}, {"weights", 0}, {"stored", 0}, {"largest_unit", 0}};
    }
    entry["units"] = entry["units"].get<uint64_t>() + 1;
    entry["weights"] = entry["weights"].get<uint64_t>() + unit.compute_bytes;
    entry["stored"] = entry["stored"].get<uint64_t>() + unit.stored_bytes;
    entry["largest_unit"] = std::max(entry["largest_unit"].get<uint64_t>(), unit.compute_bytes);
  }
  return {{"policy", parts_.get("memory_policy").plan().info->id},
          {"height", request.height},
          {"width", request.width},
          {"pictures", request.prompts.size()},
          {"steps", request.num_inference_steps},
          {"components", components},
          {"limits", forecasts},
          {"smallest_limit", forecaster.smallest_limit()},
          {"gflops", flops * 1e-9},
          {"read_bytes_per_second", reading}};
}

Run LoadedPipeline::run_of(const GenerateRequest& request, const Watch& watch,
                           const CallScope& call, Report& report) {
  Run run{plan_, parts_, memory_, adapters_, request, watch, call, report, trace_};
  if (memory_limit(plan_) > 0) {
    run.needs = needs_of(request);
    check_limit(request, run.needs);
  }
  return run;
}

std::vector<gesso_eval_t> LoadedPipeline::schedule(const Run& run) const {
  const GenerateRequest& request = run.request;
  const Instance& scheduler = parts_.get("scheduler");
  const auto& table = scheduler.interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  if (table.prediction != GESSO_PREDICTION_VELOCITY) {
    throw Error(Status::NotSupported,
                fmt::format("{} steps by prediction type {}; the denoiser predicts a velocity",
                            scheduler.plan().info->id, table.prediction));
  }
  const ValueList values = registry::values_from_json(request.scheduler_values);
  const auto cells = static_cast<uint64_t>(request.height / preview_.pixels_per_cell *
                                           request.width / preview_.pixels_per_cell);
  const gesso_schedule_request_t asked{sizeof(gesso_schedule_request_t),
                                       static_cast<uint32_t>(request.num_inference_steps),
                                       request.denoising_strength,
                                       cells / 4,
                                       values.data(),
                                       values.size()};
  std::vector<gesso_eval_t> evals(static_cast<size_t>(request.num_inference_steps) * 2);
  uint32_t count = 0;
  check_call(table.plan(scheduler.self(), run.call.get(), &asked, evals.data(),
                        static_cast<uint32_t>(evals.size()), &count),
             run.call.get());
  if (count == 0 || count > evals.size()) {
    throw Error(Status::Internal,
                fmt::format("{} planned {} evaluations for {} steps", scheduler.plan().info->id,
                            count, request.num_inference_steps));
  }
  evals.resize(count);
  return evals;
}

std::vector<Tile> LoadedPipeline::denoise_tiles(const Run& run, const at::Tensor& latents) const {
  const int64_t cell = preview_.pixels_per_cell;
  const int64_t unit = plan_.variant->limits.value("size_multiple", 2 * cell) / cell;
  const auto cells = [&](int64_t pixels) { return round_up(pixels / cell, unit); };
  return tiles_of(latents.size(1), latents.size(2), cells(run.request.denoise_tile_size),
                  cells(run.request.denoise_tile_overlap), unit);
}

std::vector<at::Tensor> LoadedPipeline::draw_noise(const Run& run) const {
  const int64_t height = run.request.height / preview_.pixels_per_cell,
                width = run.request.width / preview_.pixels_per_cell;
  std::vector<at::Tensor> noise;
  for (const uint64_t seed : run.request.seeds) {
    noise.push_back(initial_noise(seed, latent_channels_, height, width, run.state_type()));
    run.keep(fmt::format("noise.{}", noise.size() - 1), noise.back());
  }
  return noise;
}

image::Image LoadedPipeline::decode(const Run& run, const at::Tensor& latents, size_t index,
                                    const Inpainting* inpainting) const {
  const Instance& codec = parts_.get("codec");
  auto results = OperationRun(codec.component(), GESSO_OP_DECODE)
                     .feed(GESSO_PORT_LATENTS, {latents})
                     .run(run.call, tiling(run.request));
  at::Tensor pixels = take(results, GESSO_PORT_PIXELS, 1, codec.plan().info->id).front();
  check_finite(pixels, fmt::format("decode: picture {}", index + 1));
  run.keep(fmt::format("image.{}", index), pixels);
  if (inpainting && run.request.inpaint_overlay) pixels = inpainting->overlay(pixels);
  return run.as_reference() ? image_from_pixels(pixels, EightBit::Truncate)
                            : image_from_pixels(pixels.to(at::kFloat), EightBit::Round);
}

nlohmann::json LoadedPipeline::generate(const GenerateRequest& request, const Watch& watch,
                                        const ResultSink& result) {
  const c10::InferenceMode inference;
  const Attached attached(parts_.messages(), watch);
  const CallScope call(watch);
  const auto start = Clock::now();
  parts_.clock().reset();
  memory_.begin(watch);
  ActivationMeter meter;
  const MemoryWatch memory_watch;
  const Measured measured(memory_, meter);
  if (request.record_timeline) memory_.timeline().start();
  Report report(watch, &memory_.timeline(), &meter);
  const Run run = run_of(request, watch, call, report);

  Conditioning conditioning = compose(run, prompts_);
  for (const at::Tensor& features : conditioning.positive.text) {
    report.json["caption_tokens"].push_back(features.size(0));
  }
  const std::vector<gesso_eval_t> evals = schedule(run);

  const std::vector<at::Tensor> noise = draw_noise(run);
  std::vector<at::Tensor> latents = noise;
  std::optional<Inpainting> inpainting;
  if (request.input_image) {
    run.begin("encode", "codec");
    const at::Tensor input = encode_picture(run, *request.input_image, "input_image");
    run.keep("input_latents", input);
    for (at::Tensor& latent : latents) latent = add_noise(input, latent, evals.front().sigma);
    if (request.inpaint_mask) inpainting.emplace(run, input);
  }
  add_edit_images(run, conditioning);
  const std::vector<Tile> tiles = denoise_tiles(run, latents.front());
  const Controls controls(run, tiles);
  const RequestLoras loras(run);
  for (size_t i = 0; i < latents.size(); ++i) {
    run.keep(fmt::format("latents.{}.start", i), latents[i]);
  }

  run.begin("denoise", "denoiser");
  Denoising denoising(run, conditioning, controls, tiles, inpainting ? &*inpainting : nullptr,
                      preview_);
  report.json["step_flops"] = denoising.step_flops(latents);
  denoising.go(evals, noise, latents);

  run.begin("decode", "codec");
  for (size_t i = 0; i < latents.size(); ++i) {
    call.poll();
    result(decode(run, latents[i], i, inpainting ? &*inpainting : nullptr));
  }
  report.end();
  memory_.enter_phase("");

  report.json["seconds"] = seconds_since(start);
  report.json["seeds"] = request.seeds;
  report.json["boundary"] = {{"crossings", parts_.clock().crossings()},
                             {"seconds", parts_.clock().seconds()}};
  report.json["adapters"] = adapters_.describe();
  report.json["memory"] = process_memory();
  report.json["memory"].update(memory_watch.peaks());
  report.json["memory"].update(memory_.report());
  if (request.record_timeline) report.json["timeline"] = memory_.timeline().stop();
  return report.json;
}

nlohmann::json LoadedPipeline::image2lora(const GenerateRequest& request,
                                          const std::filesystem::path& file, const Watch& watch) {
  const c10::InferenceMode inference;
  const Attached attached(parts_.messages(), watch);
  const CallScope call(watch);
  memory_.begin(watch);
  Report report(watch, nullptr, nullptr);
  if (request.image2lora_images.empty()) {
    throw Error(Status::InvalidArgument, "image2lora_images: expected one picture at least");
  }
  const Run run = run_of(request, watch, call, report);
  const GeneratedLora lora = generate_lora(run, request.image2lora_images);
  report.begin("save");
  nlohmann::json answer = write_lora(lora, file);
  report.end();
  answer.update(report.json);
  answer["memory"] = process_memory();
  return answer;
}

nlohmann::json LoadedPipeline::train(const config::TrainPlan& plan, TrainReport& report,
                                     const Watch& watch) {
  const Attached attached(parts_.messages(), watch);
  const CallScope call(watch, GESSO_CALL_DETERMINISTIC | GESSO_CALL_TRAINING);
  memory_.begin(watch);
  const Watch silent;
  Report stages(silent, nullptr, nullptr);
  const GenerateRequest request;
  // No forecast: it is about drawing, and a pipeline that trains may have no encoders at all.
  const Run run{plan_, parts_, memory_, adapters_, request, watch, call, stages, trace_};
  const auto workers = join_workers();
  const auto paint = [&](const std::function<void(size_t, const image::Image&)>& sink) {
    size_t index = 0;
    generate(*plan.samples, Watch{[](const Event&) {}, watch.cancelled},
             [&](image::Image&& picture) { sink(index++, picture); });
  };
  try {
    Trainer trainer(plan, run, report, *workers, paint);
    return plan.stage == config::Stage::DataProcess ? trainer.encode_all() : trainer.train();
  } catch (const Error& error) {
    throw workers->give_up(error);
  } catch (const std::exception& error) {
    throw workers->give_up(Error(Status::Internal, error.what()));
  }
}

nlohmann::json LoadedPipeline::describe() const {
  nlohmann::json components = nlohmann::json::array();
  for (const auto& instance : parts_.all()) {
    const config::ComponentPlan& plan = instance->plan();
    nlohmann::json entry = {{"role", plan.role},
                            {"id", plan.info->id},
                            {"version", plan.info->version},
                            {"values", plan.values}};
    if (instance->weights()) {
      entry["dtype"] = plan.dtype;
      entry["weights"] = plan.weights->describe();
      entry["files"] = nlohmann::json::array();
      for (const auto& file : plan.files) entry["files"].push_back(file.string());
      entry["mapped_bytes"] = instance->weights()->mapped_bytes();
      entry["copied_bytes"] = instance->weights()->copied_bytes();
    }
    components.push_back(std::move(entry));
  }
  return {{"pipeline", plan_.name},           {"variant", plan_.variant->id},
          {"numerics", plan_.numerics},       {"components", components},
          {"adapters", adapters_.describe()}, {"defaults", plan_.variant->defaults},
          {"limits", plan_.variant->limits}};
}

}  // namespace gesso::runtime
