// gesso quantize: a checkpoint once more, in another storage format.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/tables.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  gesso quantize transformer/ z-image-nf4.safetensors --format nf4
  gesso quantize z-image.safetensors z-image-q8.gguf --format q8_0
  gesso quantize model.safetensors small.safetensors --format int8 --exclude t_embedder.mlp.0

Formats: fp8_e4m3 and fp8_e5m2 (all weights, cast), fp8_scaled, int8_row, nf4, fp4 (.safetensors; matrices of linear
layers), gguf.q8_0, q6_k, q5_0, q5_1, q4_k, q4_0, q4_1 (.gguf), and bf16, f16, f32.)";

class QuantizeCommand {
 public:
  explicit QuantizeCommand(const Common& common) : common_(common) {}

  void add_options(CLI::App* command) {
    command->add_option("input", input_, "Weights: a file, a folder or an index")
        ->type_name("IN")
        ->required();
    command->add_option("output", output_, "The new file: .gguf for its formats, else .safetensors")
        ->type_name("OUT")
        ->required();
    command->add_option("--format", format_, "How linear layers are stored")
        ->type_name("FORMAT")
        ->required();
    command
        ->add_option("--exclude", excluded_,
                     "A module that stays as it is, by its name or the "
                     "end of it. May be repeated")
        ->type_name("MODULE")
        ->allow_extra_args(false);
    command->add_option("--target", targets_, "Only this module. May be repeated")
        ->type_name("MODULE")
        ->allow_extra_args(false);
    command
        ->add_option("--architecture", architecture_,
                     "general.architecture of a .gguf file; default: the input's")
        ->type_name("NAME");
    command->add_flag("--json", json_, "One JSON object per event on stdout, the report last");
    command->add_flag("--quiet", quiet_, "Only errors and warnings");
  }

  void execute() const {
    prepare_folder(output_);
    ValueList values;
    values.set_text("input", input_).set_text("output", output_).set_text("format", format_);
    if (!excluded_.empty()) values.set_texts("exclude_modules", excluded_);
    if (!targets_.empty()) values.set_texts("target_modules", targets_);
    if (!architecture_.empty()) values.set_text("architecture", architecture_);
    app::Engine engine = common_.engine();
    Progress progress(chosen_style(json_, quiet_));
    app::Job job =
        engine.start("quantize", values, [&](const gesso_event_t& event) { progress.show(event); });
    wait_minding_interrupts(job);
    report(json::parse(job.report()));
  }

 private:
  void report(json report) const {
    if (json_) {
      report["event"] = "result";
      fmt::print("{}\n", report.dump());
      return;
    }
    fmt::print("{}: {} of {} weights as {}, {} instead of {}, error {:.2f}%, {:.1f} s\n",
               text(report["output"]), text(report["quantised"]),
               report["quantised"].get<size_t>() + report["kept"].get<size_t>(),
               text(report["format"]), bytes_text(report["bytes_after"]),
               bytes_text(report["bytes_before"]), report["error"].get<double>() * 100,
               report["seconds"].get<double>());
  }

  const Common& common_;
  std::string input_, output_, format_, architecture_;
  std::vector<std::string> excluded_, targets_;
  bool json_ = false, quiet_ = false;
};

}  // namespace

void add_quantize(CLI::App& app, const Common& common) {
  CLI::App* command = app.add_subcommand("quantize", "Store weights in fewer bits");
  command->footer(kExamples);
  auto shared = std::make_shared<QuantizeCommand>(common);
  shared->add_options(command);
  command->callback([shared] { shared->execute(); });
}

}  // namespace gesso::cli
