// The seam between libgesso (no libtorch inside) and its runtime, the library that computes. The
// runtime is opened when the first pipeline is loaded, so that listing plugins or printing help
// never pays for libtorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/config/pipeline_plan.hpp"
#include "engine/config/train_plan.hpp"
#include "engine/image/image.hpp"
#include "runtime/training_report.hpp"

namespace gesso::runtime {

/// What happens while a job runs; mirrors gesso_event_t.
struct Event {
  enum Type { Stage = 1, Step, Preview, Image, Warning, Info, End };
  Type type = Info;
  std::string stage;
  std::string text;
  uint64_t step = 0, total = 0;
  double seconds_left = -1;
  const image::Image* picture = nullptr;  // borrowed
};

/// How a job talks to whoever started it. `cancelled` may be asked from any thread.
struct Watch {
  std::function<void(const Event&)> event = [](const Event&) {};
  std::function<bool()> cancelled = [] { return false; };
};

using Picture = std::shared_ptr<const image::Image>;  // null: none

/// One control of a request; the names are DiffSynth-Studio's ControlNetInput.
struct ControlNetInput {
  std::string controlnet = "controlnet";  // the role of its component
  Picture image, inpaint_image, inpaint_mask;
  double scale = 1.0;
  double start = 0.0, end = 1.0;    // part of the steps in which it acts
  std::string processor_id;         // component of kind "preprocessor" for `image`; empty: as it is
  nlohmann::json processor_values;  // its run parameters
};

/// A request with every parameter resolved: request, else file, else variant, else component.
/// Lists of prompts and seeds make several pictures: item i has prompts[i] and seeds[i].
struct GenerateRequest {
  std::vector<std::string> prompts;           // one per picture
  std::vector<std::string> negative_prompts;  // one per picture
  std::vector<uint64_t> seeds;                // one per picture
  std::string rand_device = "cpu";
  double cfg_scale = 1.0;        // v = neg + cfg_scale * (pos - neg); exactly 1: no negative pass
  double cfg_normalization = 0;  // above 0: the merged velocity is at most so many times as long as
                                 // the positive one
  double cfg_truncation = 1;     // guidance ends when (1000 - t) / 1000 is above it
  int64_t height = 1024, width = 1024;
  int64_t num_inference_steps = 8;
  double denoising_strength = 1.0;
  Picture input_image;          // null: from noise
  Picture inpaint_mask;         // with input_image: white is painted anew, grey in part
  bool inpaint_overlay = true;  // pixels outside of the mask come from input_image
  std::vector<Picture> edit_images;
  bool edit_image_auto_resize = true;
  std::vector<ControlNetInput> controlnet_inputs;
  std::vector<Picture> image2lora_images, negative_image2lora_images;
  bool positive_only_lora = true;  // what image2lora_images make acts on the prompt's side only
  int64_t preview_every = 0;       // steps; 0: never
  bool tiled = false;
  int64_t tile_size = 0, tile_stride = 0;  // 0: the codec's defaults
  int64_t denoise_tile_size = 0;           // pixels; 0: the whole picture at once
  int64_t denoise_tile_overlap = 0;        // pixels
  nlohmann::json scheduler_values;         // e.g. {"sigma_shift": 3.0}; only what was set
  nlohmann::json composer_values;          // e.g. {"max_length": 512}
  nlohmann::json metadata;                 // written into every picture under "gesso"
  bool record_timeline = false;            // the report gets "timeline", a Chrome trace
};

/// Called with each finished picture, in order; whoever gets it announces it.
using ResultSink = std::function<void(image::Image&&)>;

/// A loaded pipeline. One `generate` at a time, usable again after an error or a cancel; `check`
/// and `describe` may be called beside it.
class Pipeline {
 public:
  virtual ~Pipeline() = default;
  /// Fixes what can be fixed (sizes rounded up) and refuses what cannot be done, before any work.
  virtual void check(GenerateRequest& request, const Watch& watch) = 0;
  /// @return the report: {"stages": {name: seconds}, "steps": [...], ...}
  virtual nlohmann::json generate(const GenerateRequest& request, const Watch& watch,
                                  const ResultSink& result) = 0;
  /// Makes a LoRA of image2lora_images and writes it to `file` (.safetensors).
  virtual nlohmann::json image2lora(const GenerateRequest& request,
                                    const std::filesystem::path& file, const Watch& watch) = 0;
  /// What a picture would take under each of `limits` (bytes; 0: none), without making it:
  /// {"limits": [...], "smallest_limit": bytes, ...}. Not while a job runs.
  virtual nlohmann::json plan(const GenerateRequest& request, const std::vector<uint64_t>& limits,
                              const Watch& watch) = 0;
  /// Adapters act from the next job on; nothing is loaded anew, base weights are never written.
  /// Not while a job runs.
  virtual void add_adapter(const config::AdapterPlan& plan, const Watch& watch) = 0;
  virtual void set_adapter_scale(const std::string& name, double scale) = 0;
  virtual void remove_adapter(const std::string& name) = 0;
  /// What was chosen: components, files, layouts, dtypes, bytes, policy, adapters.
  virtual nlohmann::json describe() const = 0;
};

class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual std::unique_ptr<Pipeline> load(const config::PipelinePlan& plan, const Watch& watch) = 0;
  /// Trains as planned, or encodes the items of a dataset (training/trainer.hpp).
  /// @return a summary: {"micro_batches", "optimizer_steps", "loss", "seconds", ...}
  virtual nlohmann::json train(const config::TrainPlan& plan, TrainReport& report,
                               const Watch& watch) = 0;
  /// libtorch's version and build, CPU capability, threads, bf16 path; no measurement.
  virtual nlohmann::json machine() = 0;
  /// GEMM rate of this process in GFLOP/s per dtype, at the sizes of a full-size block.
  virtual nlohmann::json measure(const Watch& watch) = 0;
};

/// The symbol that the runtime library exports. `threads`: 0 = the cores of the machine.
using CreateRuntime = Runtime* (*)(uint32_t threads);
inline constexpr const char* kCreateRuntimeSymbol = "gesso_runtime_create";

}  // namespace gesso::runtime
