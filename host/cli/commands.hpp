// The commands of the program, one file each. `add_*` adds a command's options to the parser; what
// it does runs when the command line was read.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "gesso/cpp/engine.hpp"

namespace gesso::cli {

/// The options that all commands have.
struct Common {
  std::vector<std::string> plugin_paths, trusted_plugins, isolated_plugins;
  bool no_third_party = false, writable_plugins = false;
  uint32_t threads = 0;
  bool verbose = false;

  /// A new engine. @throws Error
  app::Engine engine() const;
};

void add_run(CLI::App& app, const Common& common);
void add_train(CLI::App& app, const Common& common);
void add_image2lora(CLI::App& app, const Common& common);
void add_plugins(CLI::App& app, const Common& common);
void add_variants(CLI::App& app, const Common& common);
void add_models(CLI::App& app, const Common& common);
void add_inspect(CLI::App& app, const Common& common);
void add_convert(CLI::App& app, const Common& common);
void add_quantize(CLI::App& app, const Common& common);
void add_schema(CLI::App& app, const Common& common);
void add_check(CLI::App& app, const Common& common);
void add_plan(CLI::App& app, const Common& common);
void add_bench(CLI::App& app, const Common& common);
void add_doctor(CLI::App& app, const Common& common);
void add_validate(CLI::App& app);
void add_completion(CLI::App& app);

}  // namespace gesso::cli
