#include "engine/api/model_jobs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "engine/api/byte_progress.hpp"
#include "engine/api/job_values.hpp"
#include "engine/config/pipeline.hpp"
#include "engine/models/hub.hpp"
#include "engine/models/pull.hpp"
#include "engine/models/store.hpp"

namespace gesso::api {

using models::ModelRef;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

void emit_info(Job& job, const std::string& text) {
  runtime::Event event;
  event.type = runtime::Event::Info;
  event.text = text;
  job.emit(event);
}

ModelRef settings_of(const JobValues& values) {
  ModelRef model;
  model.download_source = values.text("download_source");
  model.local_model_path = values.text("local_model_path");
  return model;
}

void add(std::vector<ModelRef>& refs, ModelRef model) {
  if (std::ranges::find(refs, model) == refs.end()) refs.push_back(std::move(model));
}

const registry::VariantInfo* find_variant(const registry::Registry& registry,
                                          const std::string& name) {
  try {
    return &registry.variant(name);
  } catch (const Error&) {
    if (name.find('/') == std::string::npos) throw;  // neither a variant nor org/name
    return nullptr;
  }
}

std::vector<ModelRef> refs_of_variant(const registry::VariantInfo& variant, ModelRef model) {
  std::vector<ModelRef> refs;
  for (const registry::Role& role : variant.roles) {
    if (role.model_id.empty()) continue;
    model.model_id = role.model_id;
    model.origin_file_pattern = role.origin_file_pattern;
    add(refs, model);
  }
  return refs;
}

/// "org/name": a slash between two names, and nothing that leads elsewhere.
void check_model_id(const std::string& id) {
  const size_t slash = id.find('/');
  const bool good = slash != std::string::npos && slash > 0 && slash + 1 < id.size() &&
                    id.find('/', slash + 1) == std::string::npos && !id.starts_with('.') &&
                    id[slash + 1] != '.';
  if (good) return;
  throw Error(Status::InvalidArgument,
              fmt::format("expected a model as its hub names it, org/name, found \"{}\"", id));
}

json to_json(const std::vector<models::StoredModel>& list) {
  json all = json::array();
  for (const models::StoredModel& model : list) {
    all.push_back({{"model_id", model.model_id},
                   {"kind", model.kind},
                   {"folder", model.folder.string()},
                   {"size_bytes", model.size_bytes},
                   {"n_files", model.n_files},
                   {"complete", model.complete}});
  }
  return all;
}

/// Of a file, or of all files in a folder.
uint64_t size_below(const fs::path& path) {
  std::error_code none;
  if (!fs::is_directory(path, none)) return fs::file_size(path, none);
  uint64_t size = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path, none)) {
    if (entry.is_regular_file(none)) size += entry.file_size(none);
  }
  return size;
}

json pull_all(const std::vector<ModelRef>& refs, models::PullOptions options, Job& job) {
  options.cancelled = [&job] { return job.cancelled(); };
  options.info = [&job](const std::string& text) { emit_info(job, text); };
  json report{{"models", json::array()}, {"received_bytes", 0}};
  if (!refs.empty()) ByteProgress(job, "fetch").start_stage();
  for (const ModelRef& model : refs) {
    ByteProgress of_model(job, "fetch");
    options.progress = [&](uint64_t done, uint64_t total, const std::string& file) {
      of_model.show(done, total, file);
    };
    const models::Pulled pulled = models::pull(model, options);
    report["received_bytes"] = report["received_bytes"].get<uint64_t>() + pulled.received_bytes;
    report["models"].push_back({{"model_id", model.model_id},
                                {"source", models::source_of(model)},
                                {"folder", pulled.folder.string()},
                                {"fetched", pulled.fetched},
                                {"present", pulled.present},
                                {"unchecked", pulled.unchecked}});
  }
  return report;
}

}  // namespace

std::vector<ModelRef> model_refs(const std::shared_ptr<registry::Registry>& registry,
                                 const json& values_json) {
  const JobValues values("models", values_json);
  ModelRef model = settings_of(values);
  const std::string name = values.text("model", JobValues::Required);
  std::vector<std::string> patterns = values.texts("origin_file_pattern");
  const size_t colon = name.find(':');
  if (colon != std::string::npos) patterns.insert(patterns.begin(), name.substr(colon + 1));
  if (patterns.empty()) {
    if (const auto* variant = find_variant(*registry, name))
      return refs_of_variant(*variant, model);
    patterns.emplace_back();
  }
  model.model_id = name.substr(0, colon);
  check_model_id(model.model_id);
  std::vector<ModelRef> refs;
  for (const std::string& pattern : patterns) {
    model.origin_file_pattern = pattern;
    add(refs, model);
  }
  return refs;
}

json missing_files(const std::shared_ptr<registry::Registry>& registry, const std::string& path,
                   const std::vector<std::string>& overrides) {
  json list = json::array();
  for (const ModelRef& model : config::missing_models(registry, path, overrides)) {
    list.push_back({{"model", model.model_id},
                    {"origin_file_pattern", model.origin_file_pattern},
                    {"download_source", models::source_of(model)},
                    {"local_model_path", model.local_model_path}});
  }
  return list;
}

Job::Body pulling(std::shared_ptr<registry::Registry> registry, const json& values_json) {
  const JobValues values("pull", values_json,
                         {"model", "origin_file_pattern", "download_source", "local_model_path",
                          "revision", "connections", "stall_seconds"});
  models::PullOptions options;
  options.revision = values.text("revision");
  options.connections = static_cast<int>(values.integer("connections", options.connections, 1, 64));
  options.stall_seconds = static_cast<double>(values.integer("stall_seconds", 30, 1, 3600));
  std::vector<ModelRef> refs = model_refs(registry, values_json);
  for (const ModelRef& model : refs) models::source_of(model);  // a wrong environment fails here
  return [refs = std::move(refs), options](Job& job) { return pull_all(refs, options, job); };
}

Job::Body verifying(std::shared_ptr<registry::Registry> registry, const json& values_json) {
  const JobValues values(
      "verify", values_json,
      {"model", "origin_file_pattern", "download_source", "local_model_path", "offline"});
  const bool online = !values.flag("offline") && !models::is_offline();
  std::vector<ModelRef> refs = model_refs(registry, values_json);
  return [refs = std::move(refs), online](Job& job) {
    json files = json::array();
    bool ok = true;
    for (const ModelRef& model : refs) {
      uint64_t total = 0, done = 0;
      for (const fs::path& path : models::find_local(model)) total += size_below(path);
      ByteProgress progress(job, "verify");
      const auto verdicts = models::verify_model(
          model, online, [&job] { return job.cancelled(); },
          [&](uint64_t bytes, const std::string& file) {
            done += bytes;
            progress.show(std::min(done, total), total, file);
          });
      for (const models::Verdict& verdict : verdicts) {
        constexpr const char* kStates[] = {"good", "bad", "unknown"};
        ok = ok && verdict.state != models::Verdict::Bad;
        files.push_back({{"model_id", model.model_id},
                         {"file", verdict.file},
                         {"state", kStates[verdict.state]},
                         {"text", verdict.text}});
      }
    }
    return json{{"ok", ok}, {"files", files}};
  };
}

Job::Body importing(const json& values_json) {
  const JobValues values("import_models", values_json, {"from", "model_id", "local_model_path"});
  const std::string from = values.text("from", JobValues::Required);
  const std::string model_id = values.text("model_id");
  if (!model_id.empty()) check_model_id(model_id);
  return [=, local = values.text("local_model_path")](Job&) {
    return json{{"models", to_json(models::import_models(from, model_id, local))}};
  };
}

Job::Body removing(const json& values_json) {
  const JobValues values("remove_model", values_json, {"model", "local_model_path"});
  ModelRef model = settings_of(values);
  model.model_id = values.text("model", JobValues::Required);
  check_model_id(model.model_id);
  return [model](Job&) { return json{{"freed_bytes", models::remove_model(model)}}; };
}

json stored_models(const std::string& local_model_path) {
  return to_json(models::list_models(local_model_path));
}

json model_files(const std::shared_ptr<registry::Registry>& registry, const std::string& name) {
  json paths = json::array();
  for (const ModelRef& model : model_refs(registry, {{"model", name}})) {
    for (const fs::path& path : models::find_local(model)) paths.push_back(path.string());
  }
  return paths;
}

}  // namespace gesso::api
