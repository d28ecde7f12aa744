// gesso schema: JSON Schemas for editors.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::cli {
namespace {

struct Options {
  std::string what = "pipeline", variant;
};

void run(const Common& common, const Options& options) {
  if (!options.variant.empty() && options.what != "variant") {
    throw Error(Status::InvalidArgument, "only `gesso schema variant` takes a NAME");
  }
  const std::string& argument = options.variant.empty() ? options.what : options.variant;
  fmt::print("{}\n", common.engine().ask("schema", argument));
}

}  // namespace

void add_schema(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* schema = app.add_subcommand("schema", "Print a JSON Schema, for editors");
  schema->footer(
      "Examples:\n"
      "  gesso schema > pipeline.schema.json          pipeline files of any model\n"
      "  gesso schema variant z-image-turbo           pipeline files of this model\n"
      "  gesso schema recipe                          recipes for training\n"
      "  gesso schema manifest                        manifests of plugins\n"
      "  gesso schema variant                         variant files of plugins");
  schema->add_option("what", options->what, "Default: pipeline")
      ->check(CLI::IsMember({"pipeline", "recipe", "manifest", "variant"}))
      ->type_name("WHAT");
  schema->add_option("name", options->variant, "With variant: the one that pipeline files use")
      ->type_name("NAME");
  schema->callback([=, &common] { run(common, *options); });
}

}  // namespace gesso::cli
