// gesso run: pictures from a pipeline file.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/fetching.hpp"
#include "cli/interrupt.hpp"
#include "cli/memory_text.hpp"
#include "cli/output.hpp"
#include "cli/overrides.hpp"
#include "cli/progress.hpp"
#include "cli/scaled_file.hpp"

namespace gesso::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  gesso run                                          the demo
  gesso run turbo.toml --set prompt="a red apple" --set seed=7
  gesso run turbo.toml --set 'prompt=["a key","a cup"]' --out "out/{prompt}.png"
  gesso run --from out/emoji-7.png --set cfg_scale=3 the same picture, changed a little
  gesso run turbo.toml --preview-dir previews        what it looks like on the way
  gesso run turbo.toml --lora style.safetensors@0.8  with a LoRA

Ctrl-C ends the run cleanly (exit code 1), a second one kills it.)";

// Who names no file does not expect pictures beside one.
constexpr const char* kWorkingFolder = "output.path=out/{name}-{seed}.png";

constexpr uint64_t kPollMs = 50;

/// Writes pictures as they come and tells where they are.
class Results {
 public:
  Results(std::vector<std::string> paths, std::vector<uint64_t> seeds, uint32_t quality, bool json)
      : paths_(std::move(paths)), seeds_(std::move(seeds)), quality_(quality), json_(json) {}

  void add(app::Picture picture) {
    const size_t index = pictures_.size();
    const std::string& path = paths_.at(index);
    prepare_folder(path);
    picture.save(path, quality_);
    tell({{"event", "result"}, {"path", path}, {"seed", seeds_.at(index)}}, path);
    pictures_.push_back(std::move(picture));
  }
  void add_sheet(const std::string& path) {
    prepare_folder(path);
    app::Picture::sheet(pictures_).save(path, quality_);
    tell({{"event", "sheet"}, {"path", path}}, path);
  }
  size_t count() const { return pictures_.size(); }

 private:
  void tell(const json& event, const std::string& path) const {
    fmt::print("{}\n", json_ ? event.dump() : path);
    std::fflush(stdout);
  }

  std::vector<std::string> paths_;
  std::vector<uint64_t> seeds_;
  uint32_t quality_;
  bool json_;
  std::vector<app::Picture> pictures_;
};

class RunCommand {
 public:
  explicit RunCommand(const Common& common) : common_(common) {}

  void add_options(CLI::App* run) {
    run->add_option("file", file_, "The pipeline (TOML); without one the demo runs")
        ->type_name("FILE");
    run->add_option("--set", sets_,
                    "Overrides a value of the file, such as prompt=\"a key\" or "
                    "components.denoiser.dtype=f32. May be repeated")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    run->add_option("--out", out_,
                    "Where the pictures go: a file, a folder, or a pattern with "
                    "{name}, {index}, {seed}, {prompt}")
        ->type_name("PATH");
    run->add_option("--from", from_, "Takes all parameters from a picture that Gesso made (PNG)")
        ->type_name("PICTURE");
    run->add_option("--preview-dir", preview_folder_, "Writes what the pictures look like so far")
        ->type_name("FOLDER");
    run->add_option("--lora", loras_,
                    "Adds a LoRA file, with a scale behind @ if it is not 1. May be repeated")
        ->type_name("FILE[@SCALE]")
        ->allow_extra_args(false);
    run->add_option("--trace", trace_,
                    "Writes what happened when, for chrome://tracing or ui.perfetto.dev")
        ->type_name("FILE");
    run->add_flag("--json", json_, "One JSON object per event on stdout, instead of paths");
    run->add_flag("--quiet", quiet_, "Only errors, and the paths");
  }

  void execute() const {
    if (!out_.empty()) prepare_folder(fixed_part(output_pattern(out_)));
    if (!preview_folder_.empty()) prepare_folder(preview_folder_ + "/");
    std::optional<json> made;
    if (!from_.empty()) made = parameters_of(from_);
    const std::string file = !file_.empty() ? file_ : made ? pipeline_of(*made) : demo_pipeline();

    app::Engine engine = common_.engine();
    const std::vector<std::string> overrides = all_overrides(made);
    fetch_missing(engine, file, overrides, chosen_style(json_, quiet_));
    app::Pipeline pipeline = engine.load(file, overrides);
    for (const std::string& lora : loras_) add_lora(pipeline, lora);
    const json output = json::parse(pipeline.describe()).at("output");
    prepare_folder(fixed_part(output.at("path")));
    generate(pipeline, output);
  }

 private:
  static void add_lora(app::Pipeline& pipeline, const std::string& text) {
    const ScaledFile lora = split_scale(text);
    ValueList values;
    values.set_real("scale", lora.scale);
    pipeline.add_adapter(lora.file, values);
  }

  std::vector<std::string> all_overrides(const std::optional<json>& made) const {
    std::vector<std::string> list;
    if (made) list = overrides_from(*made);
    if (file_.empty()) list.push_back(kWorkingFolder);
    if (!preview_folder_.empty()) list.push_back("generate.preview_every=1");
    list.insert(list.end(), sets_.begin(), sets_.end());
    if (!trace_.empty()) {
      list.push_back("output.trace=" + json(fs::absolute(trace_).string()).dump());
    }
    if (!out_.empty()) list.push_back("output.path=" + json(output_pattern(out_)).dump());
    return list;
  }

  void generate(app::Pipeline& pipeline, const json& output) const {
    const Interrupt interrupt;
    Progress progress(chosen_style(json_, quiet_));
    std::atomic<size_t> ready = 0;
    app::Job job = pipeline.generate({}, [&](const gesso_event_t& event) {
      progress.show(event);
      if (event.type == GESSO_EVENT_PREVIEW) save_preview(event);
      if (event.type == GESSO_EVENT_IMAGE) ++ready;
    });
    const json request = json::parse(job.describe());
    progress.remark(seeds_of(request));
    Results results(request.at("outputs"), request.at("seeds"), output.value("quality", 95u),
                    json_);
    try {
      collect(job, ready, interrupt, results);
      if (results.count() > 1) results.add_sheet(sheet_path(output, request));
      if (!quiet_ && !json_) tell_moves(json::parse(job.report()));
    } catch (const Error& error) {
      throw Exit(exit_code(error.status(), true), error.what());
    }
  }

  void collect(app::Job& job, const std::atomic<size_t>& ready, const Interrupt& interrupt,
               Results& results) const {
    bool ended = false;
    while (!ended) {
      ended = job.ended_within(kPollMs);
      if (interrupt.came()) job.cancel();
      while (results.count() < ready) results.add(job.next());
    }
    job.wait();
  }

  static std::string seeds_of(const json& request) {
    std::string text = "seed";
    for (const json& seed : request.at("seeds")) text += " " + seed.dump();
    return text;
  }

  /// What was moved how often, where anything was.
  static void tell_moves(const json& report) {
    const std::string moved = moves_text(report.value("memory", json::object()));
    if (!moved.empty()) fmt::print(stderr, "{}\n", moved);
  }

  void save_preview(const gesso_event_t& event) const {
    if (preview_folder_.empty()) return;
    std::string name = fmt::format("{}-step-{:04}.png", event.text, event.step);
    std::ranges::replace(name, ' ', '-');
    const fs::path path = fs::path(preview_folder_) / name;
    ErrorText error;
    if (gesso_image_save(event.image, path.c_str(), &error.error) != GESSO_STATUS_OK) {
      fmt::print(stderr, "warning: preview: {}\n", error.text());
    }
  }

  const Common& common_;
  std::string file_, out_, from_, preview_folder_, trace_;
  std::vector<std::string> sets_, loras_;
  bool json_ = false, quiet_ = false;
};

}  // namespace

void add_run(CLI::App& app, const Common& common) {
  CLI::App* run = app.add_subcommand("run", "Make pictures from a pipeline file");
  run->footer(kExamples);
  auto command = std::make_shared<RunCommand>(common);
  command->add_options(run);
  run->callback([command] { command->execute(); });
}

}  // namespace gesso::cli
