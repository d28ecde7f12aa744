#include "engine/api/training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/base/launch.hpp"
#include "engine/base/suggest.hpp"
#include "engine/config/recipe.hpp"
#include "engine/data/dataset.hpp"
#include "engine/reports/training_log.hpp"

namespace gesso::api {

using nlohmann::json;

namespace {

struct Request {
  std::string recipe;
  std::vector<std::string> overrides;
};

Request read(const json& values) {
  const std::vector<std::string> known{"recipe", "set"};
  for (const auto& [key, value] : values.items()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    throw Error(Status::InvalidArgument,
                fmt::format("train: unknown value \"{}\"{}", key, base::did_you_mean(key, known)));
  }
  const json recipe = values.value("recipe", json());
  if (!recipe.is_string() || recipe == "") {
    throw Error(Status::InvalidArgument,
                "train: the value \"recipe\" must be the path of a recipe");
  }
  json set = values.value("set", json::array());
  if (set.is_string()) set = json::array({set});
  return {recipe, set.get<std::vector<std::string>>()};
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void tell(const std::vector<std::string>& warnings, const runtime::Watch& watch) {
  for (const std::string& text : warnings) {
    runtime::Event event;
    event.type = runtime::Event::Warning;
    event.text = text;
    watch.event(event);
  }
}

}  // namespace

Job::Body training(std::shared_ptr<registry::Registry> registry,
                   std::function<runtime::Runtime&()> runtime, const json& values) {
  const Request request = read(values);
  const uint32_t rank = base::launch_of_environment().value_or(base::Launch{}).rank;
  auto plan = std::make_shared<const config::TrainPlan>(
      config::load_recipe(std::move(registry), request.recipe, request.overrides));
  data::open_dataset(plan->data);  // what is wrong with it is told before gigabytes are loaded
  return [plan, rank, runtime = std::move(runtime)](Job& job) {
    runtime::Watch watch = job.watch();
    if (rank > 0) watch.event = [](const runtime::Event&) {};  // the first worker tells
    tell(plan->warnings, watch);
    reports::TrainingLog log(*plan, watch, now);
    json report = runtime().train(*plan, log, watch);
    if (rank == 0) log.end(report);
    report["rank"] = rank;
    report["output_path"] = plan->output_path.string();
    return report;
  };
}

}  // namespace gesso::api
