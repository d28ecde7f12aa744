#include "engine/config/pipeline.hpp"

#include <algorithm>

#include "engine/config/check.hpp"
#include "engine/config/merge.hpp"
#include "engine/config/recipe.hpp"

namespace gesso::config {
namespace {

using RegistryPtr = std::shared_ptr<registry::Registry>;

PipelinePlan check_or_throw(const Node& document, RegistryPtr registry, const std::string& name) {
  Problems problems;
  PipelinePlan plan = check_document(document, std::move(registry), name, problems);
  problems.throw_if_any();
  return plan;
}

}  // namespace

const ComponentPlan* PipelinePlan::component(std::string_view role) const {
  for (const ComponentPlan& plan : components) {
    if (plan.role == role) return &plan;
  }
  return nullptr;
}

std::vector<models::ModelRef> missing_models(RegistryPtr registry,
                                             const std::filesystem::path& path,
                                             std::span<const std::string> overrides) {
  Problems problems;  // loading tells them
  std::vector<models::ModelRef> missing;
  const Node document = load_document(path);
  if (is_recipe(document)) {
    check_recipe(apply_train_overrides(document, overrides), std::move(registry), path.string(),
                 problems, &missing);
  } else {
    CheckOptions options;
    options.missing = &missing;
    check_document(apply_overrides(document, overrides), std::move(registry), path.string(),
                   problems, options);
  }
  std::vector<models::ModelRef> each;
  for (models::ModelRef& model : missing) {
    if (std::ranges::find(each, model) == each.end()) each.push_back(std::move(model));
  }
  return each;
}

PipelinePlan load_pipeline(RegistryPtr registry, const std::filesystem::path& path,
                           std::span<const std::string> overrides) {
  const Node document = apply_overrides(load_document(path), overrides);
  return check_or_throw(document, std::move(registry), path.string());
}

PipelinePlan load_pipeline_text(RegistryPtr registry, std::string_view text,
                                const std::string& name, const std::filesystem::path& folder,
                                std::span<const std::string> overrides) {
  const Node document = apply_overrides(load_document_text(text, name, folder), overrides);
  return check_or_throw(document, std::move(registry), name);
}

std::vector<Problem> check_report(RegistryPtr registry, const std::filesystem::path& path,
                                  std::span<const std::string> overrides) {
  Problems problems;
  try {
    const Node document = load_document(path);
    if (is_recipe(document)) {
      check_recipe(apply_train_overrides(document, overrides), std::move(registry), path.string(),
                   problems);
    } else {
      check_document(apply_overrides(document, overrides), std::move(registry), path.string(),
                     problems);
    }
  } catch (const Error& error) {
    return {{"", error.what(), Severity::Error, error.status()}};
  }
  return problems.sorted();
}

}  // namespace gesso::config
