// A pipeline file, from its text to a plan: parse, merge, check.
//
//   auto plan = load_pipeline(registry, "emoji.toml", {"generate.seed=7"});
//   auto request = resolve_request(plan, {{"prompt", "a red apple"}});      // request.hpp
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/pipeline_plan.hpp"
#include "engine/config/problem.hpp"
#include "engine/models/model_ref.hpp"

namespace gesso::config {

/// Reads a file, what it extends, and overrides like "generate.seed=7" (see merge.hpp).
/// @throws Error  with every problem on a line of its own, each beginning with file:line:column;
///                the status is that of the first one
PipelinePlan load_pipeline(std::shared_ptr<registry::Registry> registry,
                           const std::filesystem::path& path,
                           std::span<const std::string> overrides = {});

/// The same from a text that messages call `name`. Relative paths start from `folder`; when it is
/// empty only absolute ones are taken.
PipelinePlan load_pipeline_text(std::shared_ptr<registry::Registry> registry, std::string_view text,
                                const std::string& name, const std::filesystem::path& folder,
                                std::span<const std::string> overrides = {});

/// What a pipeline file or recipe needs from hubs and this machine does not have; nothing where it
/// says `skip_download`. Other problems are passed over: loading tells them.
/// @throws Error  when the file cannot be read
std::vector<models::ModelRef> missing_models(std::shared_ptr<registry::Registry> registry,
                                             const std::filesystem::path& path,
                                             std::span<const std::string> overrides = {});

/// Every error and warning of a pipeline file or a recipe, without throwing. Empty: all is well.
std::vector<Problem> check_report(std::shared_ptr<registry::Registry> registry,
                                  const std::filesystem::path& path,
                                  std::span<const std::string> overrides = {});

}  // namespace gesso::config
