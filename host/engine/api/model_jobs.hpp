// Jobs and questions about models on hubs and on this machine.
#pragma once

#include <memory>

#include <nlohmann/json.hpp>

#include "engine/api/job.hpp"
#include "engine/models/model_ref.hpp"
#include "engine/registry/registry.hpp"

namespace gesso::api {

/// What `values` name: "model" is a variant (all files that it needs), "org/name" or
/// "org/name:pattern". "origin_file_pattern" (texts), "download_source" (modelscope, huggingface)
/// and "local_model_path" (the folder of models) are those of DiffSynth-Studio's ModelConfig.
std::vector<models::ModelRef> model_refs(const std::shared_ptr<registry::Registry>& registry,
                                         const nlohmann::json& values);

/// What a pipeline file or recipe needs and this machine lacks, as values of the job "pull":
/// [{"model", "origin_file_pattern", "download_source", "local_model_path"}]; see
/// config::missing_models.
nlohmann::json missing_files(const std::shared_ptr<registry::Registry>& registry,
                             const std::string& path, const std::vector<std::string>& overrides);

/// The job "pull": fetches what the values name; also "revision", "connections", "stall_seconds".
/// The report: {"models": [{"model_id", "source", "folder", "fetched": [], "present": [],
/// "unchecked": []}], "received_bytes"}
Job::Body pulling(std::shared_ptr<registry::Registry> registry, const nlohmann::json& values);

/// The job "verify"; also "offline". The report: {"ok", "files": [{"model_id", "file",
/// "state": "good" | "bad" | "unknown", "text"}]}
Job::Body verifying(std::shared_ptr<registry::Registry> registry, const nlohmann::json& values);

/// The job "import_models": "from", and "model_id" for a folder that is one model.
/// The report: {"models": as the question "models"}
Job::Body importing(const nlohmann::json& values);

/// The job "remove_model": "model" is "org/name". The report: {"freed_bytes"}
Job::Body removing(const nlohmann::json& values);

/// The question "models": [{"model_id", "kind", "folder", "size_bytes", "n_files", "complete"}]
nlohmann::json stored_models(const std::string& local_model_path);

/// The question "model_files": the paths of what `name` ("model" above) means, in the usual places.
nlohmann::json model_files(const std::shared_ptr<registry::Registry>& registry,
                           const std::string& name);

}  // namespace gesso::api
