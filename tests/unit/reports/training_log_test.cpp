// Files of a run, also after it went on.
#include "engine/reports/training_log.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>

#include "temporary_folder.hpp"

using namespace gesso;
using namespace gesso::reports;
using nlohmann::json;

namespace {

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Run {
  TemporaryFolder folder;
  config::TrainPlan plan;
  std::vector<runtime::Event> events;

  Run() {
    plan.name = "style.toml";
    plan.output_path = folder.path / "out";
    plan.csv = plan.tensorboard = true;
    plan.arguments = {{"learning_rate", 1e-4}, {"task", "sft"}};
  }
  TrainingLog log() {
    runtime::Watch watch;
    watch.event = [this](const runtime::Event& event) { events.push_back(event); };
    return TrainingLog(plan, watch, [] { return 1700000000.0; });
  }
  std::string file(const char* name) const { return content(plan.output_path / name); }
};

runtime::TrainStep step(int64_t number) {
  runtime::TrainStep step;
  step.micro_batch = step.optimizer_steps = number;
  step.total_micro_batches = 10;
  step.loss = 1.0 / static_cast<double>(number);
  step.learning_rate = 1e-4;
  step.gradient_norm = 2;
  step.items = {"metadata.csv:2"};
  return step;
}

}  // namespace

TEST_CASE("a run leaves its arguments, its metrics and a page") {
  Run run;
  TrainingLog log = run.log();
  log.begin(0);
  for (int i = 1; i <= 4; ++i) log.step(step(i));
  log.validation(4, 0.5);
  log.sample(4, 0, image::Image(8, 8, 3, 200));
  log.checkpoint(4, run.plan.output_path / "step-4.safetensors");
  log.end(json{{"loss", 0.25}});

  CHECK(json::parse(run.file("training_args.json")) == run.plan.arguments);
  CHECK(run.file("loss.csv") ==
        "step,key,value\n1,loss,1.0\n2,loss,0.5\n3,loss,0.3333333333333333\n4,loss,0.25\n");
  std::ifstream metrics(run.plan.output_path / "metrics.jsonl");
  std::vector<json> lines;
  for (std::string line; std::getline(metrics, line);) lines.push_back(json::parse(line));
  REQUIRE(lines.size() == 7);
  CHECK(lines[1]["loss"] == 0.5);
  CHECK(lines[1]["items"] == json{"metadata.csv:2"});
  CHECK(lines[4] == json{{"step", 4}, {"validation_loss", 0.5}});
  CHECK(std::filesystem::exists(run.plan.output_path / "samples/step-000004-0.png"));
  CHECK(std::filesystem::exists(run.plan.output_path / "loss.svg"));
  const std::string page = run.file("report.html");
  CHECK(page.find("data:image/jpeg;base64,") != std::string::npos);
  CHECK(page.find("step-4.safetensors") != std::string::npos);
  CHECK(page.find("http://www.w3.org/2000/svg") != std::string::npos);
  CHECK(page.find("src=\"http") == std::string::npos);

  CHECK(run.events[0].type == runtime::Event::Step);
  CHECK(run.events[0].text.starts_with("loss 1.0000"));
  CHECK(run.events[1].type == runtime::Event::Info);
  CHECK(run.events[1].stage == kMetricStage);
  CHECK(json::parse(run.events[1].text)["step"] == 1);
}

TEST_CASE("a resumed run forgets what came after its state") {
  Run run;
  {
    TrainingLog log = run.log();
    log.begin(0);
    for (int i = 1; i <= 6; ++i) log.step(step(i));
  }
  std::ofstream(run.plan.output_path / "metrics.jsonl", std::ios::app) << "{\"step\": 7, \"lo";
  TrainingLog log = run.log();
  log.begin(4);
  for (int i = 5; i <= 6; ++i) log.step(step(i));
  log.end(nullptr);
  std::ifstream metrics(run.plan.output_path / "metrics.jsonl");
  std::vector<int> steps;
  for (std::string line; std::getline(metrics, line);) steps.push_back(json::parse(line)["step"]);
  CHECK(steps == std::vector<int>{1, 2, 3, 4, 5, 6});
  CHECK(std::ranges::count(run.file("loss.csv"), '\n') == 7);
}

TEST_CASE("a run that begins anew begins with empty files") {
  Run run;
  {
    TrainingLog log = run.log();
    log.begin(0);
    log.step(step(1));
  }
  TrainingLog log = run.log();
  log.begin(0);
  CHECK(run.file("metrics.jsonl").empty());
  CHECK(run.file("loss.csv") == "step,key,value\n");
}
