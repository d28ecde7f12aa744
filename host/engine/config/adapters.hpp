// [[adapters]]: which file, read by which delta source, acts how.
#pragma once

#include "engine/config/check.hpp"

namespace gesso::config {

/// An adapter that somebody asks for by values alone, as the C API does.
/// @param values  `adapter_params` by key; relative paths start from the working folder
/// @throws Error  InvalidArgument; NotFound for a file, role or component that is not there;
///                Incompatible for a file that no delta source reads, naming keys
AdapterPlan plan_adapter(const PipelinePlan& pipeline, const nlohmann::json& values);

/// A file apart from any pipeline, with the delta source that reads it.
/// @throws Error  as above
AdapterPlan plan_adapter_file(std::span<const std::filesystem::path> paths,
                              const registry::Registry& registry);

/// What is to be said of keys that no weight of the component wanted: "" when there are none.
/// @param keys    tensors of the file
/// @throws Error  Incompatible when no key is wanted, or with `plan.strict` when one is not
std::string tell_unmatched(const AdapterPlan& plan, const std::string& component, size_t keys,
                           const std::vector<std::string>& unmatched);

/// Those of a document; the components of `plan` are filled in.
std::vector<AdapterPlan> plan_adapters(const Node* adapters, const FileSettings& file,
                                       const PipelinePlan& plan, Problems& problems);

}  // namespace gesso::config
