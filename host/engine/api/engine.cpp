#include "engine/api/engine.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <utility>

#include "engine/api/adapter_tools.hpp"
#include "engine/api/conversion.hpp"
#include "engine/api/model_jobs.hpp"
#include "engine/api/quantization.hpp"
#include "engine/api/questions.hpp"
#include "engine/api/synthesis.hpp"
#include "engine/api/training.hpp"
#include "engine/base/suggest.hpp"
#include "engine/check/object.hpp"
#include "engine/config/pipeline.hpp"
#include "engine/registry/registered.hpp"
#include "gesso/host.h"

namespace gesso::api {

using nlohmann::json;

namespace {

template <class Item>
void remember(std::vector<std::weak_ptr<Item>>& list, const std::shared_ptr<Item>& item) {
  std::erase_if(list, [](const std::weak_ptr<Item>& other) { return other.expired(); });
  list.push_back(item);
}

bool asks_for_checks() {
  const char* value = secure_getenv("GESSO_CHECK");
  return value && *value && std::string_view(value) != "0";
}

}  // namespace

Engine::Engine(EngineOptions options, RuntimeFactory runtime)
    : options_(std::move(options)), make_runtime_(std::move(runtime)) {
  options_.search.runtime_version = [this] {
    return "torch/" + this->runtime().machine().value("libtorch", std::string());
  };
  if (options_.search.use_environment && asks_for_checks()) {
    options_.search.watcher = std::make_shared<checking::Watcher>(options_.log);
  }
  registry_ = registry::Registry::scan(options_.search);
  for (const registry::Candidate& candidate : registry_->candidates()) {
    if (candidate.accepted) continue;
    log(GESSO_LOG_INFO,
        fmt::format("plugin refused: {}: {}", candidate.path.string(), candidate.reason));
  }
}

Engine::~Engine() {
  std::vector<std::shared_ptr<Job>> jobs;
  std::vector<std::shared_ptr<Pipeline>> pipelines;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& job : jobs_) jobs.push_back(job.lock());
    for (const auto& pipeline : pipelines_) pipelines.push_back(pipeline.lock());
  }
  for (const auto& job : jobs) {
    if (job) job->cancel();
  }
  for (const auto& job : jobs) {
    if (job) job->stop();
  }
  for (const auto& pipeline : pipelines) {
    if (pipeline) pipeline->unload();
  }
  if (options_.search.watcher) options_.search.watcher->finish();
}

void Engine::log(int32_t level, const std::string& text) const {
  if (options_.log) options_.log(level, text);
}

runtime::Runtime& Engine::runtime() {
  const std::lock_guard lock(runtime_mutex_);
  if (!runtime_) runtime_ = make_runtime_(options_.threads);
  return *runtime_;
}

void Engine::register_plugin(std::string_view manifest, gesso_plugin_entry_t entry) {
  registry::SearchOptions search = options_.search;
  search.given.push_back(registry::keep_registered(std::string(manifest), entry));
  auto scanned = registry::Registry::scan(search);
  for (const registry::Candidate& candidate : scanned->candidates()) {
    if (candidate.path == search.given.back() && !candidate.accepted)
      throw Error(Status::InvalidArgument, candidate.reason);
  }
  options_.search = std::move(search);
  registry_ = std::move(scanned);  // pipelines that were loaded before keep theirs
}

json Engine::ask(std::string_view question, const std::string& argument) {
  return answer(*this, question, argument);
}

std::shared_ptr<Pipeline> Engine::load(const PipelineSource& source) {
  config::PipelinePlan plan = source.path.empty()
                                  ? config::load_pipeline_text(registry_, source.text, source.name,
                                                               source.folder, source.overrides)
                                  : config::load_pipeline(registry_, source.path, source.overrides);
  runtime::Watch watch;
  watch.event = [this](const runtime::Event& event) {
    if (event.type == runtime::Event::Warning) log(GESSO_LOG_WARNING, event.text);
    if (event.type == runtime::Event::Info) log(GESSO_LOG_INFO, event.text);
  };
  auto pipeline = std::make_shared<Pipeline>(std::move(plan), runtime(), watch);
  const std::lock_guard lock(mutex_);
  remember(pipelines_, pipeline);
  return pipeline;
}

void Engine::start(std::string_view kind, const json& values, const SinkMaker& sink_for) {
  Job::Body body;
  if (kind == "synthesize") {
    body = synthesis(registry_, values);
  } else if (kind == "convert") {
    body = conversion(
        registry_,
        [this]() -> runtime::AdapterTools& {
          runtime();  // sets the number of threads
          return open_adapter_tools();
        },
        values);
  } else if (kind == "quantize") {
    body = quantization(values);
  } else if (kind == "measure") {
    body = [this](Job& job) { return runtime().measure(job.watch()); };
  } else if (kind == "train") {
    body = training(
        registry_, [this]() -> runtime::Runtime& { return runtime(); }, values);
  } else if (kind == "pull") {
    body = pulling(registry_, values);
  } else if (kind == "verify") {
    body = verifying(registry_, values);
  } else if (kind == "import_models") {
    body = importing(values);
  } else if (kind == "remove_model") {
    body = removing(values);
  } else {
    const std::vector<std::string> kinds{"synthesize", "convert",       "quantize",
                                         "measure",    "train",         "pull",
                                         "verify",     "import_models", "remove_model"};
    throw Error(Status::InvalidArgument,
                fmt::format("unknown kind of job \"{}\"{}; there are {}", kind,
                            base::did_you_mean(kind, kinds), fmt::join(kinds, ", ")));
  }
  start_job(std::make_shared<Job>(json{{"kind", kind}, {"values", values}}), std::move(body),
            std::make_shared<Turns>(), sink_for);
}

void Engine::generate(Pipeline& pipeline, const json& values, const config::Images& images,
                      const SinkMaker& sink_for) {
  Pipeline::Prepared prepared = pipeline.prepare(values, images);
  start_job(std::move(prepared.job), std::move(prepared.body), pipeline.turns(), sink_for);
}

void Engine::image2lora(Pipeline& pipeline, const json& values, const config::Images& images,
                        const std::string& path, const SinkMaker& sink_for) {
  Pipeline::Prepared prepared = pipeline.prepare_image2lora(values, images, path);
  start_job(std::move(prepared.job), std::move(prepared.body), pipeline.turns(), sink_for);
}

void Engine::start_job(std::shared_ptr<Job> job, Job::Body body, std::shared_ptr<Turns> turns,
                       const SinkMaker& sink_for) {
  Job::Sink sink = sink_for(job);
  {
    const std::lock_guard lock(mutex_);
    remember(jobs_, job);
  }
  job->start(std::move(body), std::move(sink), std::move(turns));
}

}  // namespace gesso::api
