// Pipeline files and recipes, beside a made-up plugin and real, tiny weights.
#include "../unit/config/workshop.hpp"
#include "engine/config/merge.hpp"
#include "engine/config/recipe.hpp"
#include "input.hpp"

namespace {

bool any_error(const std::vector<gesso::config::Problem>& problems) {
  bool any = false;
  for (const auto& problem : problems) {
    gesso::fuzz::check_message(problem.text);
    any = any || problem.severity == gesso::config::Severity::Error;
  }
  return any;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const gesso::test::Workshop shop;
  static const auto registry = shop.registry();
  const auto file = shop.write("fuzz.toml", gesso::fuzz::text_of(data, size));
  if (any_error(gesso::config::check_report(registry, file))) return 0;
  // What `gesso check` finds nothing in can be loaded.
  if (gesso::config::is_recipe(gesso::config::load_document(file))) {
    gesso::config::load_recipe(registry, file);
  } else {
    gesso::config::load_pipeline(registry, file);
  }
  return 0;
}
