// gesso convert: weights in another layout, container or storage format.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/scaled_file.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  gesso convert transformer/ z-image.safetensors --layout comfy
  gesso convert z-image.safetensors out/diffusion_pytorch_model.safetensors --layout diffusers --max-shard-size 5GB
  gesso convert transformer/ z-image-q8.gguf --format q8_0
  gesso convert z-image-q8.gguf z-image.safetensors --format bf16
  gesso convert vae/ ae.safetensors --layout bfl
  gesso convert style.safetensors style-kohya.safetensors --layout kohya        a LoRA in another dialect
  gesso convert transformer/ merged.safetensors --lora style.safetensors@0.8    a LoRA merged into weights
  gesso convert a.safetensors both.safetensors --lora b.safetensors --rank 32   two LoRAs as one
  gesso convert tuned.safetensors lora.safetensors --base transformer/ --rank 32   a LoRA out of what was trained

Layouts are those of the component's manifest; "diffusers" and "diffsynth" are its own names. Those of LoRAs: diffsynth,
bare, peft, diffusers, diffusion_model (ai-toolkit), comfy (fused qkv), kohya (musubi), lora_down. Formats are those of
gesso quantize; of LoRAs f32, bf16, f16. Values are copied bit for bit unless a format is named.)";

class ConvertCommand {
 public:
  explicit ConvertCommand(const Common& common) : common_(common) {}

  void add_options(CLI::App* command) {
    command->add_option("input", input_, "Weights: a file, a folder or an index")
        ->type_name("IN")
        ->required();
    command->add_option("output", output_, "The new file: .safetensors or .gguf")
        ->type_name("OUT")
        ->required();
    add_text(command, "--layout", "layout",
             "Names of the result; default: the component's own, in .gguf those of ComfyUI or "
             "llama.cpp")
        ->type_name("NAME");
    command->add_option("--prefix", prefix_, "Before every name; default: the layout's first")
        ->type_name("TEXT");
    add_text(command, "--component", "component",
             "Which one, in a file that holds several; an id of gesso plugins")
        ->type_name("ID");
    add_text(command, "--format", "format", "How matrices are stored; default: as they are")
        ->type_name("FORMAT");
    add_list(command, "--exclude", "exclude_modules",
             "A module that stays as it is, by its name in the result")
        ->type_name("MODULE");
    add_list(command, "--target", "target_modules", "Only this module")->type_name("MODULE");
    add_text(command, "--max-shard-size", "max_shard_size",
             "Several files of at most this size, with an index: 5GB, 500MiB")
        ->type_name("SIZE");
    command
        ->add_option(
            "--lora", loras_,
            "Adds a LoRA to the weights, or to the LoRA, that IN is; with a scale behind @ "
            "if it is not 1. May be repeated")
        ->type_name("FILE[@SCALE]")
        ->allow_extra_args(false);
    command->add_option("--scale", scale_, "Of IN, if that is a LoRA")->type_name("NUMBER");
    add_text(command, "--base", "base",
             "Weights that IN was made of: OUT is the LoRA that is nearest to the difference")
        ->type_name("WEIGHTS");
    command->add_option("--rank", rank_, "Of the LoRA; without it several LoRAs as one are exact")
        ->check(CLI::PositiveNumber)
        ->type_name("N");
    command->add_flag("--allow-unmatched", allow_unmatched_,
                      "Leaves out keys of LoRAs that match no weight, with a warning");
    command->add_flag("--json", json_, "One JSON object per event on stdout, the report last");
    command->add_flag("--quiet", quiet_, "Only errors and warnings");
  }

  void execute(const CLI::App& command) const {
    prepare_folder(output_);
    ValueList values;
    values.set_text("input", input_).set_text("output", output_);
    if (command.count("--scale") > 0) values.set_real("scale", scale_);
    if (rank_ > 0) values.set_integer("rank", rank_);
    if (allow_unmatched_) values.set_boolean("allow_unmatched", true);
    set_loras(values);
    if (command.count("--prefix") > 0) values.set_text("prefix", prefix_);
    for (const auto& [key, value] : texts_) {
      if (!value.empty()) values.set_text(key.c_str(), value);
    }
    for (const auto& [key, list] : lists_) {
      if (!list.empty()) values.set_texts(key.c_str(), list);
    }
    app::Engine engine = common_.engine();
    Progress progress(chosen_style(json_, quiet_));
    app::Job job =
        engine.start("convert", values, [&](const gesso_event_t& event) { progress.show(event); });
    wait_minding_interrupts(job);
    report(json::parse(job.report()));
  }

 private:
  CLI::Option* add_text(CLI::App* command, const char* flag, const char* key, const char* help) {
    return command->add_option(flag, texts_[key], help);
  }
  CLI::Option* add_list(CLI::App* command, const char* flag, const char* key, const char* help) {
    return command->add_option(flag, lists_[key], std::string(help) + ". May be repeated")
        ->allow_extra_args(false);
  }

  void set_loras(ValueList& values) const {
    if (loras_.empty()) return;
    std::vector<std::string> files;
    std::vector<double> scales;
    for (const std::string& text : loras_) {
      const ScaledFile lora = split_scale(text);
      files.push_back(lora.file);
      scales.push_back(lora.scale);
    }
    values.set_texts("loras", files);
    values.set_reals("lora_scales", scales);
  }

  void report(json report) const {
    if (json_) {
      report["event"] = "result";
      fmt::print("{}\n", report.dump());
      return;
    }
    for (const json& file : report["files"]) fmt::print("{}\n", text(file));
    if (quiet_) return;
    if (report.contains("modules")) return tell_lora(report);
    fmt::print(stderr, "{}: layout {} to {}, {} weights, {} from {}, {:.1f} s\n",
               text(report["component"]), text(report["from"]["layout"]),
               text(report["to"]["layout"]), text(report["tensors"]),
               bytes_text(report["bytes_after"]), bytes_text(report["bytes_before"]),
               report["seconds"].get<double>());
  }

  static void tell_lora(const json& report) {
    const std::string error = report["error"].is_null()
                                  ? ""
                                  : fmt::format(", {:.3g} % of the change is missing",
                                                100 * report["error"].get<double>());
    fmt::print(stderr, "{}: LoRA, dialect {}, {} modules, rank {}, {}{}, {:.1f} s\n",
               text(report["component"]), text(report["to"]["dialect"]), text(report["modules"]),
               fmt::join(report["ranks"].get<std::vector<int64_t>>(), ", "),
               bytes_text(report["bytes_after"]), error, report["seconds"].get<double>());
  }

  const Common& common_;
  std::string input_, output_, prefix_;
  std::map<std::string, std::string> texts_;
  std::map<std::string, std::vector<std::string>> lists_;
  std::vector<std::string> loras_;
  double scale_ = 1;
  int64_t rank_ = 0;
  bool allow_unmatched_ = false, json_ = false, quiet_ = false;
};

}  // namespace

void add_convert(CLI::App& app, const Common& common) {
  CLI::App* command = app.add_subcommand("convert", "Weights in other layouts and formats");
  command->footer(kExamples);
  auto shared = std::make_shared<ConvertCommand>(common);
  shared->add_options(command);
  command->callback([shared, command] { shared->execute(*command); });
}

}  // namespace gesso::cli
