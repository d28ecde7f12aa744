// A loaded pipeline and the line of its jobs.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>

#include <nlohmann/json.hpp>

#include "engine/api/job.hpp"
#include "engine/api/turns.hpp"
#include "engine/config/request.hpp"
#include "runtime/runtime.hpp"

namespace gesso::api {

class Pipeline : public std::enable_shared_from_this<Pipeline> {
 public:
  /// @throws Error  as Runtime::load
  Pipeline(config::PipelinePlan plan, runtime::Runtime& runtime, const runtime::Watch& watch);

  /// What was chosen, with "output": what the file says about result files.
  nlohmann::json describe() const;

  struct Prepared {
    std::shared_ptr<Job> job;
    Job::Body body;
  };
  /// Resolves and checks a request; the job is to run in `turns`.
  /// @throws Error  a wrong request fails here
  Prepared prepare(const nlohmann::json& values, const config::Images& images);
  /// The same for gesso_image2lora.
  Prepared prepare_image2lora(const nlohmann::json& values, const config::Images& images,
                              const std::string& path);

  /// What a request would take under each of `limits` (GiB; 0: none). Waits for the jobs before it.
  nlohmann::json plan(const nlohmann::json& values, const config::Images& images,
                      std::span<const double> limits);

  /// Adapters; each waits for the jobs before it. @throws Error as config::plan_adapter and
  /// runtime::Pipeline
  void add_adapter(nlohmann::json values);
  void set_adapter_scale(const std::string& name, double scale);
  void remove_adapter(const std::string& name);
  const std::shared_ptr<Turns>& turns() const { return turns_; }

  /// Waits for the jobs.
  void wait_until_idle() { turns_->wait_until_idle(); }
  /// Lets go of everything that the runtime made; what is called later fails.
  void unload();

 private:
  runtime::Pipeline& loaded() const;
  nlohmann::json run(const runtime::GenerateRequest& request, Job& job);
  /// Calls `work` when no job runs.
  void between_jobs(const std::function<void()>& work);
  nlohmann::json request_json(const runtime::GenerateRequest& request) const;

  const config::PipelinePlan plan_;
  std::unique_ptr<runtime::Pipeline> loaded_;
  std::mutex check_mutex_;
  std::shared_ptr<Turns> turns_ = std::make_shared<Turns>();
};

}  // namespace gesso::api
