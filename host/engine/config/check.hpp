// Third stage: a document against what the plugins offer. The result leaves nothing to guess.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/config/node.hpp"
#include "engine/config/pipeline_plan.hpp"
#include "engine/config/problem.hpp"
#include "engine/config/table.hpp"
#include "engine/models/model_ref.hpp"

namespace gesso::config {

/// What differs where a pipeline is part of a larger document.
struct CheckOptions {
  /// Roles whose files may be missing: what they would do is not asked for. Null: none.
  std::function<bool(const registry::Role&)> may_lack_files;
  /// Gets what is to be fetched from hubs before the pipeline can be loaded. Null: nobody asks.
  std::vector<models::ModelRef>* missing = nullptr;
  /// Further tables of the document, so that misplaced keys are advised.
  std::vector<std::pair<std::string, std::vector<registry::Param>>> tables;
};

/// Checks all of it and goes on after a problem, so that one look shows everything. Weight files
/// are opened, their headers read. The plan is complete only if `problems` has no error.
PipelinePlan check_document(const Node& document, std::shared_ptr<registry::Registry> registry,
                            const std::string& name, Problems& problems,
                            const CheckOptions& options = {});

/// A role that the pipeline fills.
struct FilledRole {
  const registry::Role* role = nullptr;
  std::string name;  // of the role, or "<role>_<anything>" where many may fill it
  const registry::ComponentInfo* info = nullptr;
  const Node* table = nullptr;  // [components.<name>]; null: the file does not mention it
  Place place;                  // of the table, else of the variant
  bool may_lack_files = false;

  std::string label() const { return "components." + name; }
};

struct FilledRoles {
  std::vector<FilledRole> roles;
  bool complete = true;  // false: for some role no component was found
};

/// Chooses a component for each role: the `id` of its table, else the variant's own.
FilledRoles fill_roles(const Node& document, const registry::Registry& registry,
                       const registry::VariantInfo& variant, Problems& problems);

/// Everything that may stand in the table of a component: the common keys and its own parameters.
std::vector<registry::Param> table_params(const registry::ComponentInfo& info);

/// What the top level says for all components.
struct FileSettings {
  std::string dtype;             // of components that do not say their own
  std::string local_model_path;  // "": the usual place
  std::string download_source;   // "": the usual one
  std::optional<bool> skip_download;
  std::vector<models::ModelRef>* missing = nullptr;  // gets what is to be fetched, if anybody asks
};

/// Reads the tables and opens the files.
std::vector<ComponentPlan> plan_components(const std::vector<FilledRole>& roles,
                                           const registry::Registry& registry,
                                           const FileSettings& file, const Vocabulary& vocabulary,
                                           Problems& problems);

/// Gives the memory policy what [memory] and the components' own `memory` tables say: "vram_limit",
/// "offload_device", ... and, for the roles in "roles", "denoiser.offload_device", ... Sets the
/// compute types that they name.
void hand_to_policy(const Node& document, PipelinePlan& plan, Problems& problems);

/// Sizes that a variant wants to be the same in the weights of two roles (`same` of a role).
void check_sizes(const std::vector<FilledRole>& roles, const std::vector<ComponentPlan>& plans,
                 Problems& problems);

/// One problem that lists every file which is needed and not given.
void report_missing_paths(const std::vector<FilledRole>& roles, const Place& place,
                          const registry::VariantInfo& variant, Problems& problems);

}  // namespace gesso::config
