// The engine behind the C API: plugins that were found, the runtime, pipelines and jobs.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/api/job.hpp"
#include "engine/api/pipeline.hpp"
#include "engine/api/runtime_library.hpp"
#include "engine/registry/registry.hpp"

namespace gesso::api {

struct EngineOptions {
  registry::SearchOptions search;
  uint32_t threads = 0;                                             // 0: the cores of the machine
  std::function<void(int32_t level, const std::string& text)> log;  // may be empty; any thread
};

/// A pipeline as the caller names it: a file, or a text that stands for one.
struct PipelineSource {
  std::string path;  // a file; empty: the text below
  std::string text, name, folder;
  std::vector<std::string> overrides;
};

/// Makes the sink of a job that is about to start.
using SinkMaker = std::function<Job::Sink(const std::shared_ptr<Job>&)>;

class Engine {
 public:
  /// Scans for plugins; runs no foreign code. `runtime` is called when it is first needed.
  explicit Engine(EngineOptions options, RuntimeFactory runtime = open_runtime_library);
  /// Cancels and waits for jobs; lets pipelines that are still held go of what they loaded.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// See gesso_engine_register. @throws Error why it was refused; then nothing has changed
  void register_plugin(std::string_view manifest, gesso_plugin_entry_t entry);
  /// Answers one question; see gesso_engine_ask. @throws Error
  nlohmann::json ask(std::string_view question, const std::string& argument);
  std::shared_ptr<Pipeline> load(const PipelineSource& source);
  /// Work that needs no pipeline; see gesso_engine_start. @throws Error a wrong request fails here
  void start(std::string_view kind, const nlohmann::json& values, const SinkMaker& sink_for);
  /// See Pipeline::generate. The engine ends its jobs when it ends.
  void generate(Pipeline& pipeline, const nlohmann::json& values, const config::Images& images,
                const SinkMaker& sink_for);

  void image2lora(Pipeline& pipeline, const nlohmann::json& values, const config::Images& images,
                  const std::string& path, const SinkMaker& sink_for);

  std::shared_ptr<registry::Registry> registry() const { return registry_; }
  const registry::SearchOptions& search() const { return options_.search; }
  /// Opens it at the first call. @throws Error as the factory
  runtime::Runtime& runtime();

 private:
  void start_job(std::shared_ptr<Job> job, Job::Body body, std::shared_ptr<Turns> turns,
                 const SinkMaker& sink_for);
  void log(int32_t level, const std::string& text) const;

  EngineOptions options_;
  RuntimeFactory make_runtime_;
  std::mutex runtime_mutex_;
  std::unique_ptr<runtime::Runtime> runtime_;
  std::shared_ptr<registry::Registry> registry_;

  std::mutex mutex_;  // of what follows
  std::vector<std::weak_ptr<Pipeline>> pipelines_;
  std::vector<std::weak_ptr<Job>> jobs_;
};

}  // namespace gesso::api
