// The seam between libgesso (no libtorch inside) and its runtime, the library that computes. The
// runtime is opened when the first pipeline is loaded, so that listing plugins or printing help
// never pays for libtorch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/config/pipeline_plan.hpp"
#include "engine/image/image.hpp"

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

/// A request with every parameter resolved: request, else file, else variant, else component.
/// Lists of prompts and seeds make several pictures: item i has prompts[i] and seeds[i].
struct GenerateRequest {
  std::vector<std::string> prompts;           // one per picture
  std::vector<std::string> negative_prompts;  // one per picture
  std::vector<uint64_t> seeds;                // one per picture
  std::string rand_device = "cpu";
  double cfg_scale = 1.0;  // v = neg + cfg_scale * (pos - neg); exactly 1: no negative pass
  int64_t height = 1024, width = 1024;
  int64_t num_inference_steps = 8;
  double denoising_strength = 1.0;
  std::shared_ptr<const image::Image> input_image;  // null: from noise
  int64_t preview_every = 0;                        // steps; 0: never
  bool tiled = false;
  int64_t tile_size = 0, tile_stride = 0;  // 0: the codec's defaults
  nlohmann::json scheduler_values;         // e.g. {"sigma_shift": 3.0}; only what was set
  nlohmann::json composer_values;          // e.g. {"max_length": 512}
  nlohmann::json metadata;                 // written into every picture under "gesso"
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
  /// What was chosen: components, files, layouts, dtypes, bytes, policy.
  virtual nlohmann::json describe() const = 0;
};

class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual std::unique_ptr<Pipeline> load(const config::PipelinePlan& plan, const Watch& watch) = 0;
  /// libtorch's version and build, CPU capability, threads, bf16 path; no measurement.
  virtual nlohmann::json machine() = 0;
  /// GEMM rate of this process in GFLOP/s per dtype, at the sizes of a full-size block.
  virtual nlohmann::json measure(const Watch& watch) = 0;
};

/// The symbol that the runtime library exports. `threads`: 0 = the cores of the machine.
using CreateRuntime = Runtime* (*)(uint32_t threads);
inline constexpr const char* kCreateRuntimeSymbol = "gesso_runtime_create";

}  // namespace gesso::runtime
