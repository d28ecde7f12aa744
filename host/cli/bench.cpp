// gesso bench: how fast this machine makes pictures, as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/overrides.hpp"
#include "cli/progress.hpp"
#include "cli/stopwatch.hpp"

namespace gesso::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  gesso bench --pipeline samples/emoji/emoji.toml      a pipeline file as it is
  gesso bench --size 512 --steps 2 --text-layers 4     full size, random weights
  gesso bench --weights models/Z-Image-Turbo --size 1024
  gesso bench --variant z-image-turbo-fun-controlnet-union-2.1 --size 512 --control

Random weights are written once, into --folder, and used again. The full model takes about 20 GB.)";

constexpr const char* kPrompt = "a photograph of a lighthouse on a rocky coast at dusk";

struct Options {
  std::string variant = "z-image-turbo", weights = "synthetic", dtype, folder, pipeline;
  std::string memory, storage;
  double vram_limit = -1;  // GiB; negative: as the file says
  uint32_t size = 0, steps = 0, text_layers = 0, lora_rank = 0;
  bool control = false;
};

fs::path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) {
    return fs::path(cache) / "gesso";
  }
  const char* home = std::getenv("HOME");
  if (home && *home) return fs::path(home) / ".cache/gesso";
  throw Error(Status::InvalidArgument, "there is no HOME to keep random weights in; give --folder");
}

/// The folder of the demo's tokenizer, "" when there is no demo. Its ids fit into any vocabulary.
std::string demo_tokenizer() {
  try {
    const fs::path folder = fs::path(demo_pipeline()).parent_path() / "tokenizer";
    return fs::exists(folder) ? folder.string() : "";
  } catch (const Error&) {
    return "";
  }
}

class Bench {
 public:
  Bench(const Common& common, const Options& options)
      : options_(options), engine_(common.engine()) {}

  json run() {
    const Stopwatch load_time;
    app::Pipeline pipeline = open();
    json result{{"load_seconds", load_time.seconds()}};
    const json chosen = json::parse(pipeline.describe());
    app::Job job = pipeline.generate(values(), progress_);
    const json request = json::parse(job.describe());
    const json report = finish(job);
    app::Job measuring = engine_.start("measure", {}, progress_);
    describe(chosen, request, result);
    evaluate(chosen, report, finish(measuring), result);
    if (!lora_.empty()) result["lora"] = measure_lora(pipeline, report);
    if (options_.control) result["control"] = measure_control(pipeline, report, job.next());
    if (!folder_.empty()) result["folder"] = folder_;
    return result;
  }

 private:
  app::Pipeline open() {
    if (!options_.pipeline.empty()) return engine_.load(options_.pipeline, overrides());
    if (options_.weights == "synthetic") return engine_.load(synthesize(), overrides());
    return engine_.load_text(text_for(options_.weights), "bench", options_.weights, overrides());
  }

  /// @return the pipeline file that names the weights
  std::string synthesize() {
    const fs::path base = options_.folder.empty() ? cache_folder() : fs::path(options_.folder);
    std::string name = options_.variant;
    if (options_.text_layers > 0) name += fmt::format("-text{}", options_.text_layers);
    ValueList values;
    values.set_text("variant", options_.variant).set_text("folder", (base / name).string());
    if (options_.text_layers > 0) values.set_integer("text_layers", options_.text_layers);
    if (options_.lora_rank > 0) values.set_integer("lora_rank", options_.lora_rank);
    if (const std::string tokenizer = demo_tokenizer(); !tokenizer.empty()) {
      values.set_text("tokenizer", tokenizer);
    }
    app::Job job = engine_.start("synthesize", values, progress_);
    const json written = finish(job);
    folder_ = written.at("folder");
    lora_ = written.at("files").value("lora", "");
    return written.at("pipeline");
  }

  /// A folder as it is downloaded: one folder per component.
  std::string text_for(const std::string& folder) const {
    if (!fs::is_directory(folder)) {
      throw Error(Status::NotFound, fmt::format("--weights: there is no folder \"{}\"", folder));
    }
    std::string text = fmt::format("variant = {}\n", json(options_.variant).dump());
    for (const auto& [role, name] :
         {std::pair("denoiser", "transformer"), std::pair("text_encoder", "text_encoder"),
          std::pair("codec", "vae"), std::pair("tokenizer", "tokenizer")}) {
      text += fmt::format("[components.{}]\npath = \"{}\"\n", role, name);
    }
    return text;
  }

  std::vector<std::string> overrides() const {
    std::vector<std::string> list;
    if (!options_.dtype.empty()) list.push_back("dtype=" + options_.dtype);
    if (!options_.memory.empty()) list.push_back("memory.policy=" + options_.memory);
    if (!options_.storage.empty()) {
      list.push_back("components.denoiser.storage=" + options_.storage);
    }
    if (options_.vram_limit >= 0) {
      list.push_back(fmt::format("memory.vram_limit={}", options_.vram_limit));
    }
    return list;
  }

  ValueList values() const {
    ValueList values;
    values.set_integer("seed", 0);
    if (options_.size > 0) {
      values.set_integer("height", options_.size).set_integer("width", options_.size);
    }
    if (options_.steps > 0) values.set_integer("num_inference_steps", options_.steps);
    if (options_.pipeline.empty()) values.set_text("prompt", kPrompt);
    return values;
  }

  static double median_step(const json& report) {
    auto steps = report.at("steps").get<std::vector<double>>();
    std::ranges::sort(steps);
    return steps.empty() ? 0 : steps[steps.size() / 2];
  }

  json measure_lora(app::Pipeline& pipeline, const json& before) {
    pipeline.add_adapter(lora_);
    app::Job with = pipeline.generate(values(), progress_);
    const json report = finish(with);
    pipeline.remove_adapter(fs::path(lora_).stem().string());
    json measured = compare(pipeline, before, report);
    measured["rank"] = options_.lora_rank;
    measured["targets"] = report.at("adapters").at(0).at("targets");
    return measured;
  }

  /// With the picture that was made as the control map: what is on it costs nothing.
  json measure_control(app::Pipeline& pipeline, const json& before, const app::Picture& picture) {
    app::Job with =
        pipeline.generate(values(), progress_, {{"controlnet_inputs.0.image", &picture}});
    return compare(pipeline, before, finish(with));
  }

  /// A step of a run with something against those before it and after it: machines drift.
  json compare(app::Pipeline& pipeline, const json& before, const json& with) {
    app::Job without = pipeline.generate(values(), progress_);
    const double plain = (median_step(before) + median_step(finish(without))) / 2;
    return {{"seconds_per_step", median_step(with)},
            {"seconds_per_step_without", plain},
            {"ratio", plain > 0 ? median_step(with) / plain : 0}};
  }

  /// Waits for the end, minding Ctrl-C.
  json finish(app::Job& job) const {
    wait_minding_interrupts(job);
    return json::parse(job.report());
  }

  static void describe(const json& chosen, const json& request, json& result) {
    const json& parameters = request.at("pictures").at(0).at("generate");
    result["variant"] = chosen.at("variant");
    result["width"] = parameters.at("width");
    result["height"] = parameters.at("height");
    result["steps"] = parameters.at("num_inference_steps");
  }

  static std::string denoiser_type(const json& chosen) {
    for (const json& component : chosen.at("components")) {
      if (component.at("role") == "denoiser") return component.value("dtype", "bf16");
    }
    return "bf16";
  }

  static void evaluate(const json& chosen, const json& report, const json& gemm, json& result) {
    auto steps = report.at("steps").get<std::vector<double>>();
    result["step_seconds"] = steps;  // in the order they were made
    result["caption_tokens"] = report.value("caption_tokens", json::array());
    std::ranges::sort(steps);
    const double step = steps.empty() ? 0 : steps[steps.size() / 2];
    const double gflop = report.value("step_flops", 0.0) * 1e-9;
    const std::string dtype = denoiser_type(chosen);
    const double rate = step > 0 ? gflop / step : 0;
    const double best = gemm.value("gemm_" + dtype, 0.0);
    result["dtype"] = dtype;
    result["seconds"] = report.value("seconds", 0.0);
    result["seconds_per_step"] = step;
    result["step_gflop"] = gflop;
    result["gflops"] = rate;
    result["gemm_gflops"] = best;
    result["gemm_share"] = best > 0 ? rate / best : 0;
    const json& stages = report.at("stages");
    result["text_encode_seconds"] = stages.value("compose", 0.0);
    result["vae_decode_seconds"] = stages.value("decode", 0.0);
    result["memory"] = report.value("memory", json::object());
    const double boundary = report.value("boundary", json::object()).value("seconds", 0.0);
    const double seconds = result["seconds"];
    result["boundary_share"] = seconds > 0 ? boundary / seconds : 0;
    result["measured"] = gemm;
  }

  const Options& options_;
  std::string folder_, lora_;  // of synthetic weights
  app::Engine engine_;
  app::EventHandler progress_ = [shown = std::make_shared<Progress>(default_style())](
                                    const gesso_event_t& event) { shown->show(event); };
};

}  // namespace

void add_bench(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* bench = app.add_subcommand("bench", "Measure how fast pictures are made");
  bench->footer(kExamples);
  bench->add_option("--variant", options->variant, "The model")->capture_default_str();
  bench->add_option("--size", options->size, "Width and height; default: the variant's")
      ->type_name("PIXELS");
  bench->add_option("--steps", options->steps, "Default: the variant's")->type_name("N");
  bench->add_option("--weights", options->weights, "synthetic, or a folder with a downloaded model")
      ->type_name("FOLDER")
      ->capture_default_str();
  bench
      ->add_option("--text-layers", options->text_layers,
                   "So many layers in the synthetic text encoder; default: all")
      ->type_name("N");
  bench
      ->add_option("--lora-rank", options->lora_rank,
                   "Measures a step with a synthetic LoRA of this rank, too")
      ->type_name("R");
  bench->add_flag("--control", options->control,
                  "Measures a step with a control picture, too; the variant has a ControlNet");
  bench->add_option("--dtype", options->dtype, "What is computed in")
      ->check(CLI::IsMember({"bf16", "f32"}));
  bench
      ->add_option("--memory", options->memory,
                   "Who decides where weights are: resident, stream, offload, auto")
      ->type_name("POLICY");
  bench
      ->add_option("--storage", options->storage,
                   "What the denoiser's weights are stored as: int8_w8a8, nf4, fp8_e4m3 ...")
      ->type_name("FORMAT");
  bench->add_option("--vram-limit", options->vram_limit, "What may be taken where it is computed")
      ->type_name("GIB");
  bench
      ->add_option("--folder", options->folder,
                   "Where synthetic weights are kept; default: the cache folder")
      ->type_name("FOLDER");
  bench->add_option("--pipeline", options->pipeline, "A pipeline file instead")->type_name("FILE");
  bench->callback([=, &common] { fmt::print("{}\n", Bench(common, *options).run().dump(2)); });
}

}  // namespace gesso::cli
