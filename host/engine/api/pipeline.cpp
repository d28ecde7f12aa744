#include "engine/api/pipeline.hpp"

#include <filesystem>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/api/picture_text.hpp"
#include "engine/base/atomic_file.hpp"
#include "engine/config/adapters.hpp"
#include "engine/config/output_path.hpp"

namespace gesso::api {

using nlohmann::json;

namespace {

constexpr const char* kDefaultPath = "out/{name}-{seed}.png";  // from the working folder

std::string output_pattern(const config::PipelinePlan& plan) {
  return plan.output.is_object() ? plan.output.value("path", kDefaultPath) : kDefaultPath;
}

std::vector<config::OutputName> output_names(const config::PipelinePlan& plan,
                                             const runtime::GenerateRequest& request) {
  const std::string name = std::filesystem::path(plan.name).stem().string();
  std::vector<config::OutputName> names;
  for (size_t i = 0; i < request.seeds.size(); ++i) {
    names.push_back({name, i, request.seeds[i], request.prompts[i]});
  }
  return names;
}

}  // namespace

Pipeline::Pipeline(config::PipelinePlan plan, runtime::Runtime& runtime,
                   const runtime::Watch& watch)
    : plan_(std::move(plan)), loaded_(runtime.load(plan_, watch)) {}

runtime::Pipeline& Pipeline::loaded() const {
  if (!loaded_) {
    throw Error(Status::BadState, "the engine of this pipeline was destroyed; only release it");
  }
  return *loaded_;
}

void Pipeline::unload() { loaded_.reset(); }

json Pipeline::describe() const {
  json result = loaded().describe();
  json output = plan_.output.is_object() ? plan_.output : json::object();
  output["path"] = output_pattern(plan_);
  result["output"] = std::move(output);
  return result;
}

json Pipeline::request_json(const runtime::GenerateRequest& request) const {
  json pictures = json::array();
  for (size_t i = 0; i < request.seeds.size(); ++i) {
    pictures.push_back(config::picture_metadata(request, i));
  }
  return {{"pictures", pictures},
          {"seeds", request.seeds},
          {"outputs",
           config::expand_output_paths(output_pattern(plan_), output_names(plan_, request))}};
}

Pipeline::Prepared Pipeline::prepare(const json& values, const config::Images& images) {
  runtime::Pipeline& pipeline = loaded();
  auto request = config::resolve_request(plan_, values, images);
  request.metadata.update(file_metadata(plan_));
  request.record_timeline = plan_.output.is_object() && plan_.output.contains("trace");
  std::vector<runtime::Event> remarks;  // of the check; told when the job runs
  {
    const std::lock_guard lock(check_mutex_);
    runtime::Watch watch;
    watch.event = [&](const runtime::Event& event) { remarks.push_back(event); };
    pipeline.check(request, watch);
  }
  auto job = std::make_shared<Job>(request_json(request));
  auto body = [self = shared_from_this(), request = std::move(request),
               remarks = std::move(remarks)](Job& running) {
    for (const runtime::Event& remark : remarks) running.emit(remark);
    return self->run(request, running);
  };
  return {std::move(job), std::move(body)};
}

Pipeline::Prepared Pipeline::prepare_image2lora(const json& values, const config::Images& images,
                                                const std::string& path) {
  loaded();
  auto request = config::resolve_request(plan_, values, images);
  if (path.empty()) throw Error(Status::InvalidArgument, "path is empty; expected a LoRA's file");
  auto job = std::make_shared<Job>(json{{"path", path}});
  auto body = [self = shared_from_this(), request = std::move(request), path](Job& running) {
    return self->loaded().image2lora(request, path, running.watch());
  };
  return {std::move(job), std::move(body)};
}

json Pipeline::plan(const json& values, const config::Images& images,
                    std::span<const double> limits) {
  auto request = config::resolve_request(plan_, values, images);
  std::vector<uint64_t> bytes;
  for (const double limit : limits) {
    if (!(limit >= 0 && limit < 1 << 20)) {
      throw Error(Status::InvalidArgument,
                  fmt::format("limits: expected GiB of 0 or more, found {}", limit));
    }
    bytes.push_back(static_cast<uint64_t>(limit * (1 << 30)));
  }
  json answer;
  between_jobs([&] {
    loaded().check(request, runtime::Watch{});
    answer = loaded().plan(request, bytes, runtime::Watch{});
  });
  return answer;
}

void Pipeline::between_jobs(const std::function<void()>& work) {
  struct Turn {
    Turns& turns;
    Turns::Ticket ticket = turns.take();
    ~Turn() { turns.hand_back(ticket); }
  };
  const Turn turn{*turns_};
  turns_->wait(turn.ticket, [] { return false; });
  work();
}

void Pipeline::add_adapter(json values) {
  const config::AdapterPlan plan = config::plan_adapter(plan_, values);
  between_jobs([&] { loaded().add_adapter(plan, runtime::Watch{}); });
}

void Pipeline::set_adapter_scale(const std::string& name, double scale) {
  between_jobs([&] { loaded().set_adapter_scale(name, scale); });
}

void Pipeline::remove_adapter(const std::string& name) {
  between_jobs([&] { loaded().remove_adapter(name); });
}

json Pipeline::run(const runtime::GenerateRequest& request, Job& job) {
  runtime::Watch watch = job.watch();
  watch.event = [&job](const runtime::Event& event) {
    // Results are announced when they carry their texts, below.
    if (event.type != runtime::Event::Image) job.emit(event);
  };
  size_t done = 0;
  const auto keep = [&](image::Image&& picture) {
    picture.text = picture_texts(config::picture_metadata(request, done));
    ++done;
    job.add_result(std::move(picture), done, request.seeds.size());
  };
  json report = loaded().generate(request, watch, keep);
  report["request"] = job.request();
  if (request.record_timeline) {
    const std::string trace = plan_.output["trace"];
    base::write_file(trace, report["timeline"].dump());
    report.erase("timeline");
    report["trace"] = trace;
  }
  return report;
}

}  // namespace gesso::api
