// gesso image2lora: a LoRA of pictures, by a pipeline with a generator.
#include <fmt/format.h>

#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/fetching.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  gesso image2lora z-image-i2l.toml style/*.jpg --out style.safetensors
  gesso run z-image.toml --lora style.safetensors --set prompt="a cat")";

class Image2LoraCommand {
 public:
  explicit Image2LoraCommand(const Common& common) : common_(common) {}

  void add_options(CLI::App* command) {
    command->add_option("file", file_, "A pipeline with an image2lora component (TOML)")
        ->type_name("FILE")
        ->required();
    command->add_option("pictures", pictures_, "Pictures of one style (PNG, JPEG, WebP)")
        ->type_name("PICTURE...")
        ->required();
    command->add_option("--out", out_, "The LoRA (.safetensors)")
        ->type_name("PATH")
        ->default_str("lora.safetensors");
    command->add_option("--set", sets_, "Overrides a value of the file. May be repeated")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    command->add_flag("--json", json_, "One JSON object per event on stdout, the report last");
    command->add_flag("--quiet", quiet_, "Only errors, and the path");
  }

  void execute() const {
    prepare_folder(out_);
    std::vector<app::Picture> loaded;
    for (const std::string& path : pictures_) loaded.push_back(app::Picture::load(path));
    app::Pipeline::Pictures inputs;
    for (const app::Picture& picture : loaded) {
      inputs.push_back({fmt::format("image2lora_images.{}", inputs.size()), &picture});
    }
    app::Engine engine = common_.engine();
    fetch_missing(engine, file_, sets_, chosen_style(json_, quiet_));
    app::Pipeline pipeline = engine.load(file_, sets_);
    make(pipeline, inputs);
  }

 private:
  void make(app::Pipeline& pipeline, const app::Pipeline::Pictures& inputs) const {
    Progress progress(chosen_style(json_, quiet_));
    app::Job job = pipeline.image2lora(out_, inputs,
                                       [&](const gesso_event_t& event) { progress.show(event); });
    wait_minding_interrupts(job);
    if (json_) {
      json report = json::parse(job.report());
      report["event"] = "result";
      report["path"] = out_;
      fmt::print("{}\n", report.dump());
    } else {
      fmt::print("{}\n", out_);
    }
  }

  const Common& common_;
  std::string file_, out_ = "lora.safetensors";
  std::vector<std::string> pictures_, sets_;
  bool json_ = false, quiet_ = false;
};

}  // namespace

void add_image2lora(CLI::App& app, const Common& common) {
  CLI::App* command = app.add_subcommand("image2lora", "Make a LoRA of pictures");
  command->footer(kExamples);
  auto shared = std::make_shared<Image2LoraCommand>(common);
  shared->add_options(command);
  command->callback([shared] { shared->execute(); });
}

}  // namespace gesso::cli
