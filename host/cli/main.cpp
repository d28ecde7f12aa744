// The program gesso: everything it does, it does by the C API of libgesso.
#include <fmt/format.h>

#include <cstdlib>
#include <exception>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/interrupt.hpp"
#include "cli/new.hpp"
#include "cli/unknown_option.hpp"

namespace {

using namespace gesso::cli;

constexpr const char* kExamples = R"(Examples:
  gesso run                                    the demo: a picture in a few seconds
  gesso run --set prompt="a blue key" --set seed=7
  gesso run turbo.toml --set num_images=4 --out "keys/{seed}.png"
  gesso run --from out/emoji-7.png --set num_inference_steps=12
  gesso train --from-args lora/Z-Image.sh      a recipe out of a script that trains
  gesso check turbo.toml                       what is wrong with a pipeline file
  gesso models pull z-image-turbo              the files that a variant needs
  gesso plan turbo.toml                        what a picture takes in memory and time
  gesso inspect model.safetensors              what a weights file is
  gesso convert transformer/ z-image.safetensors --layout comfy
  gesso quantize model.safetensors small.safetensors --format nf4
  gesso plugins list --why                     what was found, what was refused and why
  gesso new plugin --kind codec --lang c++ my_codec    a plugin of your own to start from

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 the run failed, 2 the request
was wrong.)";

void add_commands(CLI::App& app, const Common& common) {
  app.require_subcommand(1);
  add_run(app, common);
  add_train(app, common);
  add_image2lora(app, common);
  add_check(app, common);
  add_models(app, common);
  add_plan(app, common);
  add_inspect(app, common);
  add_convert(app, common);
  add_quantize(app, common);
  add_plugins(app, common);
  add_new(app);
  add_validate(app);
  add_variants(app, common);
  add_schema(app, common);
  add_doctor(app, common);
  add_bench(app, common);
  add_completion(app);
}

int fail(gesso::cli::ExitCode code, const std::string& text) {
  if (!text.empty()) fmt::print(stderr, "gesso: {}\n", text);
  return code;
}

int parse_and_run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return kDone;
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    return fail(kWrongRequest, explain(app, error));
  } catch (const Exit& exit) {
    return fail(exit.code(), exit.what());
  } catch (const gesso::Error& error) {
    return fail(exit_code(error.status()), error.what());
  } catch (const std::exception& error) {
    return fail(kRunFailed, error.what());
  }
}

/// libtorch, which is loaded later, then asks for large pages: a tensor of many megabytes costs few
/// page faults. What the user has set stays.
void use_large_pages() { ::setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0); }

}  // namespace

int main(int argc, char** argv) {
  use_large_pages();
  end_on_interrupt();
  CLI::App app("Pictures from text, with models as plugins", "gesso");
  app.footer(kExamples);
  app.set_version_flag("--version",
                       std::string("gesso ") + gesso_version(nullptr, nullptr, nullptr, nullptr));
  Common common;
  app.add_option("--plugin-path", common.plugin_paths,
                 "A plugin, or a folder of plugins; searched first. May be repeated")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app.add_option("--trusted-plugin", common.trusted_plugins,
                 "Load only plugins that are named so: an id, \"org.example.*\", \"shipped\", each "
                 "also with \"@sha256:DIGEST\". May be repeated; default: GESSO_TRUSTED_PLUGINS")
      ->type_name("ENTRY")
      ->allow_extra_args(false);
  app.add_flag("--no-third-party", common.no_third_party,
               "Load only plugins that came with this build");
  app.add_flag("--allow-writable-plugins", common.writable_plugins,
               "Load plugins, too, whose files others than you and root can replace");
  app.add_option("--isolate", common.isolated_plugins,
                 "Run a component, or all of a plugin, in a process of its own. May be repeated")
      ->type_name("ID")
      ->allow_extra_args(false);
  app.add_option("--threads", common.threads, "For computing; default: the cores of the machine")
      ->type_name("N");
  app.add_flag("--verbose", common.verbose, "Tell more on stderr");
  app.fallthrough();
  add_commands(app, common);
  return parse_and_run(app, argc, argv);
}
