#include "runtime/generation.hpp"

#include <ATen/ops/full.h>
#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "gesso/kind/codec.h"
#include "gesso/kind/composer.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/memory_policy.h"
#include "gesso/kind/text_encoder.h"
#include "runtime/operation_run.hpp"
#include "runtime/report.hpp"
#include "runtime/sampling.hpp"

namespace gesso::runtime {
namespace {

/// The items of one output; all must be there.
std::vector<at::Tensor> take(std::map<std::string, std::vector<at::Tensor>>& results,
                             const std::string& port, size_t count, const std::string& who) {
  std::vector<at::Tensor> items = std::move(results[port]);
  const bool complete =
      items.size() == count &&
      std::all_of(items.begin(), items.end(), [](const at::Tensor& t) { return t.defined(); });
  if (!complete) {
    throw Error(Status::Internal, fmt::format("{} gave {} items at its output \"{}\", expected {}",
                                              who, items.size(), port, count));
  }
  return items;
}

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

Event stage_event(const std::string& stage) {
  Event event;
  event.type = Event::Stage;
  event.stage = stage;
  return event;
}

Event info_event(const std::string& text) {
  Event event;
  event.type = Event::Info;
  event.text = text;
  return event;
}

/// Lets plugins talk to a job while it runs.
class Attached {
 public:
  Attached(Messages& messages, const Watch& watch) : messages_(messages) {
    messages_.attach(&watch);
  }
  ~Attached() { messages_.attach(nullptr); }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

 private:
  Messages& messages_;
};

}  // namespace

/// Seconds per stage; announces each stage as it begins.
class LoadedPipeline::Report {
 public:
  explicit Report(const Watch& watch) : watch_(watch) {}

  void begin(const std::string& stage) {
    end();
    stage_ = stage;
    start_ = Clock::now();
    watch_.event(stage_event(stage));
  }
  void end() {
    if (!stage_.empty())
      json["stages"][stage_] = json["stages"].value(stage_, 0.0) + seconds_since(start_);
    stage_.clear();
  }

  nlohmann::json json = {{"stages", nlohmann::json::object()}, {"steps", nlohmann::json::array()}};

 private:
  const Watch& watch_;
  std::string stage_;
  Clock::time_point start_;
};

LoadedPipeline::LoadedPipeline(const config::PipelinePlan& plan, const Watch& watch) : plan_(plan) {
  const c10::InferenceMode inference;
  const Attached attached(messages_, watch);
  uint64_t done = 0;
  for (const config::ComponentPlan& component : plan_.components) {
    if (watch.cancelled()) throw Error(Status::Cancelled, "cancelled while loading");
    Event event;
    event.type = Event::Step;
    event.stage = "load";
    event.text = component.info->id;
    event.step = ++done;
    event.total = plan_.components.size();
    watch.event(event);
    instances_.push_back(std::make_unique<Instance>(plan_, component, *this, messages_, clock_));
  }
  plan_memory();

  const Instance& codec = instance("codec");
  const auto& table = codec.interface<gesso_codec_t>(GESSO_CODEC_ID);
  table.geometry(codec.self(), &latent_channels_, &pixels_per_cell_);
  preview_weight_.resize(size_t{latent_channels_} * 3);
  preview_bias_.resize(3);
  if (!GESSO_HAS(gesso_codec_t, &table, preview) ||
      !table.preview(codec.self(), preview_weight_.data(), preview_bias_.data())) {
    preview_weight_.clear();
  }
}

Instance* LoadedPipeline::find(const std::string& role) const {
  for (const auto& instance : instances_) {
    if (instance->role() == role) return instance.get();
  }
  return nullptr;
}

Instance& LoadedPipeline::instance(const std::string& role) const {
  Instance* found = find(role);
  if (!found) {
    throw Error(Status::NotFound,
                fmt::format("{}: no component fills the role \"{}\"; there are {}", plan_.name,
                            role, roles()));
  }
  return *found;
}

std::string LoadedPipeline::roles() const {
  std::string text;
  for (const auto& instance : instances_) text += (text.empty() ? "" : ", ") + instance->role();
  return text;
}

at::ScalarType LoadedPipeline::state_type() const {
  return as_reference() && instance("denoiser").plan().dtype == "bf16" ? at::kBFloat16 : at::kFloat;
}

void LoadedPipeline::plan_memory() {
  const Instance& policy = instance("memory_policy");
  const auto& table = policy.interface<gesso_memory_policy_t>(GESSO_MEMORY_POLICY_ID);
  std::vector<gesso_unit_info_t> infos;
  std::vector<std::pair<gesso_weights*, size_t>> units;
  for (const auto& instance : instances_) {
    if (!instance->weights()) continue;
    for (gesso_unit_info_t info : instance->weights()->unit_infos()) {
      units.emplace_back(instance->weights(), info.order);
      info.order = static_cast<uint32_t>(infos.size());
      infos.push_back(info);
    }
  }
  std::vector<const gesso_unit_info_t*> list;
  for (const auto& info : infos) list.push_back(&info);
  std::vector<gesso_unit_plan_t> plans(infos.size());
  const Watch nobody;
  const CallScope call(nobody);
  check_call(table.plan(policy.self(), call.get(), list.data(), static_cast<uint32_t>(list.size()),
                        nullptr, 0, plans.data()),
             call.get());
  for (size_t i = 0; i < units.size(); ++i) {
    units[i].first->set_plan(units[i].second, plans[i]);
    units[i].first->move(units[i].second, GESSO_PLACE_ONLOAD);
  }
}

void LoadedPipeline::enter_phase(const std::string& role) {
  const Instance& policy = instance("memory_policy");
  const auto& table = policy.interface<gesso_memory_policy_t>(GESSO_MEMORY_POLICY_ID);
  std::vector<std::pair<gesso_weights*, size_t>> units;
  for (const auto& instance : instances_) {
    if (!instance->weights()) continue;
    const size_t count = instance->weights()->unit_infos().size();
    for (size_t i = 0; i < count; ++i) units.emplace_back(instance->weights(), i);
  }
  gesso_memory_event_t event{};
  event.struct_size = sizeof event;
  event.type = GESSO_MEMORY_PHASE;
  event.role = role.c_str();
  event.device = "cpu";
  std::vector<gesso_move_t> moves(units.size());
  const uint32_t count =
      table.on_event(policy.self(), &event, moves.data(), static_cast<uint32_t>(moves.size()));
  for (uint32_t i = 0; i < count; ++i) {
    if (moves[i].unit < units.size())
      units[moves[i].unit].first->move(units[moves[i].unit].second, moves[i].state);
  }
}

void LoadedPipeline::keep(const std::string& name, const at::Tensor& tensor) const {
  if (trace_) trace_->tensors[name] = tensor.clone();
}

void LoadedPipeline::check(GenerateRequest& request, const Watch& watch) {
  const nlohmann::json& limits = plan_.variant->limits;
  const int64_t multiple = limits.value("size_multiple", int64_t{2} * pixels_per_cell_);
  for (auto [name, size] :
       {std::pair("height", &request.height), std::pair("width", &request.width)}) {
    const int64_t rounded = round_up(*size, multiple);
    if (rounded != *size) {
      watch.event(info_event(fmt::format("{} {} is rounded up to {}, a multiple of {}", name, *size,
                                         rounded, multiple)));
      *size = rounded;
    }
  }
  if (request.rand_device != "cpu") {
    throw Error(Status::NotSupported,
                fmt::format("rand_device \"{}\": noise is drawn on the \"cpu\" only, "
                            "which gives the same picture on every machine",
                            request.rand_device));
  }
  if (request.input_image && (request.input_image->width != request.width ||
                              request.input_image->height != request.height)) {
    throw Error(
        Status::InvalidArgument,
        fmt::format("input_image is {}x{}, but the picture is to be {}x{} (width x height); resize "
                    "the image, or set width and height to its size",
                    request.input_image->width, request.input_image->height, request.width,
                    request.height));
  }
}

LoadedPipeline::Conditioning LoadedPipeline::compose(const GenerateRequest& request,
                                                     const CallScope& call) {
  std::vector<std::string> texts;  // each different prompt once
  const auto place_of = [&](const std::string& text) {
    const auto found = std::find(texts.begin(), texts.end(), text);
    if (found != texts.end()) return static_cast<size_t>(found - texts.begin());
    texts.push_back(text);
    return texts.size() - 1;
  };
  const bool guided = request.cfg_scale != 1.0;
  std::vector<size_t> positive, negative;
  for (const std::string& prompt : request.prompts) positive.push_back(place_of(prompt));
  if (guided) {
    for (const std::string& prompt : request.negative_prompts) negative.push_back(place_of(prompt));
  }

  ValueList values = values_from_json(request.composer_values);
  values.set_texts("prompt", texts);
  const Instance& composer = instance("composer");
  auto results = OperationRun(composer.component(), GESSO_OP_COMPOSE).run(call, values);
  const auto features = take(results, GESSO_PORT_TEXT, texts.size(), composer.plan().info->id);
  for (size_t i = 0; i < features.size(); ++i) {
    check_finite(features[i],
                 fmt::format("compose: the features of prompt {} of {}", i + 1, features.size()));
  }

  Conditioning text;
  for (const size_t place : positive) text.positive.push_back(features[place]);
  for (const size_t place : negative) text.negative.push_back(features[place]);
  const auto& ids = results[GESSO_PORT_TOKEN_IDS];
  for (size_t i = 0; i < positive.size(); ++i) {
    keep(fmt::format("prompt_embeds.positive.{}", i), text.positive[i]);
    if (!ids.empty()) keep(fmt::format("token_ids.positive.{}", i), ids[positive[i]]);
    if (guided) keep(fmt::format("prompt_embeds.negative.{}", i), text.negative[i]);
    if (guided && !ids.empty()) keep(fmt::format("token_ids.negative.{}", i), ids[negative[i]]);
  }
  return text;
}

std::vector<gesso_eval_t> LoadedPipeline::schedule(const GenerateRequest& request,
                                                   const CallScope& call) {
  const Instance& scheduler = instance("scheduler");
  const auto& table = scheduler.interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID);
  if (table.prediction != GESSO_PREDICTION_VELOCITY) {
    throw Error(Status::NotSupported,
                fmt::format("{} steps by prediction type {}; the denoiser predicts a "
                            "velocity",
                            scheduler.plan().info->id, table.prediction));
  }
  const ValueList values = values_from_json(request.scheduler_values);
  const auto cells =
      static_cast<uint64_t>(request.height / pixels_per_cell_ * request.width / pixels_per_cell_);
  const gesso_schedule_request_t asked{sizeof(gesso_schedule_request_t),
                                       static_cast<uint32_t>(request.num_inference_steps),
                                       request.denoising_strength,
                                       cells / 4,
                                       values.data(),
                                       values.size()};
  std::vector<gesso_eval_t> evals(static_cast<size_t>(request.num_inference_steps) * 2);
  uint32_t count = 0;
  check_call(table.plan(scheduler.self(), call.get(), &asked, evals.data(),
                        static_cast<uint32_t>(evals.size()), &count),
             call.get());
  if (count == 0 || count > evals.size()) {
    throw Error(Status::Internal,
                fmt::format("{} planned {} evaluations for {} steps", scheduler.plan().info->id,
                            count, request.num_inference_steps));
  }
  evals.resize(count);
  return evals;
}

ValueList LoadedPipeline::tiling(const GenerateRequest& request) const {
  ValueList values;
  values.set_boolean("tiled", request.tiled);
  if (request.tile_size > 0) values.set_integer("tile_size", request.tile_size);
  if (request.tile_stride > 0) values.set_integer("tile_stride", request.tile_stride);
  return values;
}

std::vector<at::Tensor> LoadedPipeline::initial_latents(const GenerateRequest& request,
                                                        const CallScope& call,
                                                        const std::vector<gesso_eval_t>& evals,
                                                        Report& report) {
  const int64_t height = request.height / pixels_per_cell_,
                width = request.width / pixels_per_cell_;
  std::vector<at::Tensor> latents;
  for (size_t i = 0; i < request.seeds.size(); ++i) {
    latents.push_back(
        initial_noise(request.seeds[i], latent_channels_, height, width, state_type()));
    keep(fmt::format("noise.{}", i), latents.back());
  }
  if (!request.input_image) return latents;

  report.begin("encode");
  enter_phase("codec");
  const Instance& codec = instance("codec");
  const at::ScalarType type = codec.plan().dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  auto results = OperationRun(codec.component(), GESSO_OP_ENCODE)
                     .feed(GESSO_PORT_PIXELS, {pixels_from_image(*request.input_image, type)})
                     .run(call, tiling(request));
  const at::Tensor input =
      take(results, GESSO_PORT_LATENTS, 1, codec.plan().info->id).front().to(state_type());
  check_finite(input, "encode: the latents of input_image");
  keep("input_latents", input);
  for (at::Tensor& latent : latents) latent = add_noise(input, latent, evals.front().sigma);
  return latents;
}

uint64_t LoadedPipeline::step_flops(const CallScope& call, const Conditioning& text,
                                    const std::vector<at::Tensor>& latents) const {
  return denoise_operation(text, latents, 0).estimate(call, {}).flops;
}

/// One run for all pictures; with guidance for both sides, so that each block's weights are used
/// twice.
OperationRun LoadedPipeline::denoise_operation(const Conditioning& text,
                                               const std::vector<at::Tensor>& latents,
                                               double timestep) const {
  std::vector<at::Tensor> inputs = latents, features = text.positive;
  if (!text.negative.empty()) {
    inputs.insert(inputs.end(), latents.begin(), latents.end());
    features.insert(features.end(), text.negative.begin(), text.negative.end());
  }
  const at::Tensor timesteps =
      at::full({static_cast<int64_t>(inputs.size())}, timestep, at::TensorOptions(at::kFloat));
  OperationRun operation(instance("denoiser").component(), GESSO_OP_DENOISE);
  operation.feed(GESSO_PORT_LATENTS, inputs)
      .feed_whole(GESSO_PORT_TIMESTEP, timesteps)
      .feed(GESSO_PORT_TEXT, features);
  return operation;
}

std::vector<at::Tensor> LoadedPipeline::predict(const GenerateRequest& request,
                                                const CallScope& call, const Conditioning& text,
                                                const std::vector<at::Tensor>& latents,
                                                const gesso_eval_t& eval) {
  const size_t pictures = latents.size();
  ValueList values;
  values.set_text("numerics", plan_.numerics);
  auto results = denoise_operation(text, latents, eval.timestep).run(call, values);
  const size_t runs = text.negative.empty() ? pictures : 2 * pictures;
  std::vector<at::Tensor> predictions =
      take(results, GESSO_PORT_PREDICTION, runs, instance("denoiser").plan().info->id);
  for (at::Tensor& prediction : predictions) prediction = prediction.to(state_type());
  if (!text.negative.empty()) {
    for (size_t i = 0; i < pictures; ++i) {
      predictions[i] = merge_guidance(predictions[i], predictions[pictures + i], request.cfg_scale);
    }
    predictions.resize(pictures);
  }
  return predictions;
}

void LoadedPipeline::denoise(const GenerateRequest& request, const Watch& watch,
                             const CallScope& call, const Conditioning& text,
                             const std::vector<gesso_eval_t>& evals,
                             std::vector<at::Tensor>& latents, Report& report) {
  std::vector<std::vector<at::Tensor>> history(latents.size());  // newest first
  const auto start = Clock::now();
  for (size_t k = 0; k < evals.size(); ++k) {
    call.poll();
    const auto step_start = Clock::now();
    const std::vector<at::Tensor> predictions = predict(request, call, text, latents, evals[k]);
    for (size_t i = 0; i < latents.size(); ++i) {
      check_finite(predictions[i],
                   fmt::format("denoise step {} of {}: the prediction for picture {}", k + 1,
                               evals.size(), i + 1));
      keep(fmt::format("prediction.{}.{}", i, k), predictions[i]);
      history[i].insert(history[i].begin(), predictions[i]);
      history[i].resize(std::min<size_t>(history[i].size(), 4));
    }
    const auto n_preview = request.preview_every;
    if (n_preview > 0 && (k + 1) % static_cast<size_t>(n_preview) == 0 && k + 1 < evals.size()) {
      preview(watch, latents, predictions, evals[k], k + 1, evals.size());
    }
    for (size_t i = 0; i < latents.size(); ++i) {
      latents[i] = step(latents[i], history[i], at::Tensor(), evals[k]);
      keep(fmt::format("latents.{}.{}", i, k), latents[i]);
    }
    report.json["steps"].push_back(seconds_since(step_start));
    Event event;
    event.type = Event::Step;
    event.stage = "denoise";
    event.step = k + 1;
    event.total = evals.size();
    event.seconds_left = seconds_since(start) / static_cast<double>(k + 1) *
                         static_cast<double>(evals.size() - k - 1);
    watch.event(event);
  }
}

void LoadedPipeline::preview(const Watch& watch, const std::vector<at::Tensor>& latents,
                             const std::vector<at::Tensor>& predictions, const gesso_eval_t& eval,
                             uint64_t step, uint64_t total) {
  if (preview_weight_.empty()) return;
  for (size_t i = 0; i < latents.size(); ++i) {
    const at::Tensor clean =
        latents[i] - predictions[i] * eval.sigma;  // where a straight flow would end
    const image::Image picture =
        preview_from_latents(clean, preview_weight_, preview_bias_, pixels_per_cell_);
    Event event;
    event.type = Event::Preview;
    event.stage = "denoise";
    event.text = fmt::format("picture {}", i + 1);
    event.step = step;
    event.total = total;
    event.picture = &picture;
    watch.event(event);
  }
}

image::Image LoadedPipeline::decode(const GenerateRequest& request, const CallScope& call,
                                    const at::Tensor& latents, size_t index) {
  const Instance& codec = instance("codec");
  auto results = OperationRun(codec.component(), GESSO_OP_DECODE)
                     .feed(GESSO_PORT_LATENTS, {latents})
                     .run(call, tiling(request));
  const at::Tensor pixels = take(results, GESSO_PORT_PIXELS, 1, codec.plan().info->id).front();
  check_finite(pixels, fmt::format("decode: picture {}", index + 1));
  keep(fmt::format("image.{}", index), pixels);
  return as_reference() ? image_from_pixels(pixels, EightBit::Truncate)
                        : image_from_pixels(pixels.to(at::kFloat), EightBit::Round);
}

nlohmann::json LoadedPipeline::generate(const GenerateRequest& request, const Watch& watch,
                                        const ResultSink& result) {
  const c10::InferenceMode inference;
  const Attached attached(messages_, watch);
  const CallScope call(watch);
  const auto start = Clock::now();
  clock_.reset();
  Report report(watch);

  call.poll();
  report.begin("compose");
  enter_phase("composer");
  const Conditioning text = compose(request, call);
  for (const at::Tensor& features : text.positive) {
    report.json["caption_tokens"].push_back(features.size(0));
  }
  const std::vector<gesso_eval_t> evals = schedule(request, call);
  std::vector<at::Tensor> latents = initial_latents(request, call, evals, report);
  for (size_t i = 0; i < latents.size(); ++i) keep(fmt::format("latents.{}.start", i), latents[i]);

  report.begin("denoise");
  enter_phase("denoiser");
  report.json["step_flops"] = step_flops(call, text, latents);
  denoise(request, watch, call, text, evals, latents, report);

  report.begin("decode");
  enter_phase("codec");
  for (size_t i = 0; i < latents.size(); ++i) {
    call.poll();
    result(decode(request, call, latents[i], i));
  }
  report.end();

  report.json["seconds"] = seconds_since(start);
  report.json["seeds"] = request.seeds;
  report.json["boundary"] = {{"crossings", clock_.crossings()}, {"seconds", clock_.seconds()}};
  report.json["memory"] = process_memory();
  return report.json;
}

nlohmann::json LoadedPipeline::describe() const {
  nlohmann::json components = nlohmann::json::array();
  for (const auto& instance : instances_) {
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
  return {{"pipeline", plan_.name},
          {"variant", plan_.variant->id},
          {"numerics", plan_.numerics},
          {"components", components},
          {"defaults", plan_.variant->defaults},
          {"limits", plan_.variant->limits}};
}

}  // namespace gesso::runtime
