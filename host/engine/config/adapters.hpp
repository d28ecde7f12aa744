// [[adapters]]: which file, read by which delta source, acts how.
#pragma once

#include "engine/config/check.hpp"

namespace gesso::config {

/// An adapter that somebody asks for by values alone, as the C API does.
/// @param values  `adapter_params` by key; relative paths start from the working folder
/// @throws Error  InvalidArgument; NotFound for a file, role or component that is not there;
///                Incompatible for a file that no delta source reads, naming keys
AdapterPlan plan_adapter(const PipelinePlan& pipeline, const nlohmann::json& values);

/// Those of a document; the components of `plan` are filled in.
std::vector<AdapterPlan> plan_adapters(const Node* adapters, const PipelinePlan& plan,
                                       Problems& problems);

}  // namespace gesso::config
