#include "engine/reports/training_log.hpp"

#include <fmt/format.h>

#include <cmath>

#include "engine/base/atomic_file.hpp"
#include "engine/image/contact_sheet.hpp"
#include "engine/image/image_io.hpp"
#include "engine/reports/page.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::reports {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kCurvePoints = 500;
constexpr double kSmoothing = 0.95;

void open(std::ofstream& file, const fs::path& path) {
  file.open(path, std::ios::binary | std::ios::app);
  if (!file) throw Error(Status::Denied, path.string() + ": the file cannot be written");
}

void write_line(std::ofstream& file, const std::string& line, const fs::path& path) {
  file << line << '\n';
  file.flush();
  if (!file) throw Error(Status::Denied, path.string() + ": cannot be written; is the disk full?");
}

/// Python's csv writes the shortest digits that give the number back.
std::string shortest(double value) { return json(value).dump(); }

/// The lines of a log up to a step; one that was cut off by a crash is dropped.
std::vector<std::string> lines_until(const fs::path& path, int64_t micro_batch,
                                     const std::function<int64_t(const std::string&)>& step_of) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const int64_t step = step_of(line);
    if (step >= 0 && step <= micro_batch) lines.push_back(line);
  }
  return lines;
}

int64_t step_of_json(const std::string& line) {
  const json value = json::parse(line, nullptr, /*allow_exceptions=*/false);
  return value.is_object() ? value.value("step", int64_t{-1}) : -1;
}

int64_t step_of_csv(const std::string& line) {
  int64_t step = -1;
  return std::sscanf(line.c_str(), "%ld,", &step) == 1 ? step : -1;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::string size_text(uint64_t bytes) {
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

json finite_or_null(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

}  // namespace

TrainingLog::TrainingLog(const config::TrainPlan& plan, runtime::Watch watch,
                         std::function<double()> now)
    : plan_(plan), watch_(std::move(watch)), now_(std::move(now)) {}

void TrainingLog::begin(int64_t micro_batch) {
  std::error_code error;
  fs::create_directories(plan_.output_path, error);
  if (error) {
    throw Error(Status::Denied, fmt::format("{}: the folder of results cannot be made: {}",
                                            plan_.output_path.string(), error.message()));
  }
  base::write_file(plan_.output_path / "training_args.json", plan_.arguments.dump(4) + "\n");

  const fs::path metrics = plan_.output_path / "metrics.jsonl";
  const auto lines = lines_until(metrics, micro_batch, step_of_json);
  const std::vector<std::string> kept = micro_batch > 0 ? lines : std::vector<std::string>{};
  base::write_file(metrics, joined(kept));
  for (const std::string& line : kept) remember(json::parse(line));
  open(metrics_, metrics);

  if (plan_.csv) {
    const fs::path csv = plan_.output_path / "loss.csv";
    const auto rows = lines_until(csv, micro_batch, step_of_csv);
    base::write_file(csv, "step,key,value\n" + (micro_batch > 0 ? joined(rows) : ""));
    open(csv_, csv);
  }
  if (plan_.tensorboard) {
    tensorboard_ = std::make_unique<TensorboardFile>(plan_.output_path / "tensorboard_log", now_(),
                                                     fmt::format("gesso.{}", micro_batch));
  }
}

void TrainingLog::remember(const json& line) {
  const int64_t step = line.at("step");
  const auto x = static_cast<double>(step);
  if (line.contains("loss") && line["loss"].is_number()) losses_.push_back({x, line["loss"]});
  if (line.contains("learning_rate")) rates_.push_back({x, line["learning_rate"]});
  if (line.contains("validation_loss") && line["validation_loss"].is_number()) {
    validations_.push_back({x, line["validation_loss"]});
  }
  if (line.contains("checkpoint")) checkpoints_.push_back(line);
  if (line.contains("sample")) samples_[step].push_back(line["sample"]);
}

void TrainingLog::add(const json& line) {
  remember(line);
  write_line(metrics_, line.dump(), plan_.output_path / "metrics.jsonl");
}

void TrainingLog::tell_metric(const json& line) const {
  runtime::Event event;
  event.type = runtime::Event::Info;
  event.stage = kMetricStage;
  event.text = line.dump();
  watch_.event(event);
}

void TrainingLog::step(const runtime::TrainStep& step) {
  last_ = step;
  const bool computed = std::isfinite(step.loss);
  if (csv_.is_open() && computed) {
    write_line(csv_, fmt::format("{},loss,{}", step.micro_batch, shortest(step.loss)),
               plan_.output_path / "loss.csv");
  }
  const bool logged =
      step.micro_batch % plan_.log_steps == 0 || step.micro_batch == step.total_micro_batches;
  if (!logged) return;
  json line = {{"step", step.micro_batch},
               {"optimizer_step", step.optimizer_steps},
               {"epoch", step.epoch},
               {"loss", finite_or_null(step.loss)},
               {"learning_rate", step.learning_rate},
               {"seconds", step.seconds},
               {"boundary_seconds", step.boundary_seconds},
               {"memory_bytes", step.memory_bytes},
               {"items", step.items}};
  if (step.gradient_norm >= 0) line["gradient_norm"] = finite_or_null(step.gradient_norm);
  add(line);
  if (tensorboard_) {
    if (computed) tensorboard_->scalar("loss", step.loss, step.micro_batch, now_());
    tensorboard_->scalar("learning_rate", step.learning_rate, step.micro_batch, now_());
    if (step.gradient_norm >= 0) {
      tensorboard_->scalar("gradient_norm", step.gradient_norm, step.micro_batch, now_());
    }
  }

  runtime::Event event;
  event.type = runtime::Event::Step;
  event.stage = "train";
  event.step = static_cast<uint64_t>(step.micro_batch);
  event.total = static_cast<uint64_t>(step.total_micro_batches);
  event.seconds_left = step.seconds_left;
  event.text = fmt::format("{}, {:.2f} s/batch, {}",
                           computed ? fmt::format("loss {:.4f}", step.loss) : "no item to read",
                           step.seconds, size_text(step.memory_bytes));
  watch_.event(event);
  tell_metric(line);
}

void TrainingLog::validation(int64_t micro_batch, double loss) {
  const json line = {{"step", micro_batch}, {"validation_loss", finite_or_null(loss)}};
  add(line);
  if (tensorboard_) tensorboard_->scalar("validation_loss", loss, micro_batch, now_());
  tell_metric(line);
}

void TrainingLog::sample(int64_t micro_batch, size_t index, const image::Image& picture) {
  const fs::path folder = plan_.output_path / "samples";
  fs::create_directories(folder);
  const std::string name = fmt::format("step-{:06}-{}.png", micro_batch, index);
  image::save(picture, folder / name);
  add({{"step", micro_batch}, {"sample", "samples/" + name}});
  if (tensorboard_) {
    tensorboard_->image(fmt::format("sample/{}", index), picture, micro_batch, now_());
  }
  sheet_.push_back(picture);
  const size_t count = plan_.samples ? plan_.samples->prompts.size() : 1;
  if (index + 1 < count) return;
  if (count > 1) {
    image::save(image::contact_sheet(sheet_), folder / fmt::format("step-{:06}.png", micro_batch));
  }
  sheet_.clear();
}

void TrainingLog::checkpoint(int64_t micro_batch, const fs::path& file) {
  const std::string name = file.filename().string();
  add({{"step", micro_batch}, {"checkpoint", name}});
  runtime::Event event;
  event.stage = "train";
  event.text = file.string();
  event.type = runtime::Event::Info;
  watch_.event(event);
  write_page(nullptr);
}

std::string TrainingLog::loss_curve() const {
  std::vector<Series> series;
  series.push_back({"loss", "#b8cbe8", thinned(losses_, kCurvePoints)});
  series.push_back({"smoothed", "#1f4e9c", thinned(smoothed(losses_, kSmoothing), kCurvePoints)});
  if (!validations_.empty()) series.push_back({"validation", "#c0392b", validations_, true});
  return curve_svg("loss", series);
}

void TrainingLog::end(const json& report) {
  if (metrics_.is_open()) write_page(report);  // else another worker is the one that reports
}

void TrainingLog::write_page(const json& report) const {
  const std::string curve = loss_curve();
  base::write_file(plan_.output_path / "loss.svg", curve);
  const std::vector<Series> rate = {{"learning rate", "#1f4e9c", thinned(rates_, kCurvePoints)}};
  Page page(fmt::format("Training: {}", fs::path(plan_.name).filename().string()));
  page.facts({{"step", fmt::format("{} of {}", last_.micro_batch, last_.total_micro_batches)},
              {"epoch", std::to_string(last_.epoch)},
              {"loss", losses_.empty() ? "-" : fmt::format("{:.5f}", losses_.back().y)},
              {"seconds per batch", fmt::format("{:.3f}", last_.seconds)},
              {"memory", size_text(last_.memory_bytes)},
              {"state", report.is_null() ? "under way" : "ended"}});
  page.drawing(curve);
  page.drawing(curve_svg("learning rate", rate));
  if (!samples_.empty()) page.heading("Samples");
  for (auto step = samples_.rbegin(); step != samples_.rend(); ++step) {
    page.pictures(fmt::format("step {}", step->first), plan_.output_path, step->second,
                  plan_.samples ? plan_.samples->prompts : std::vector<std::string>{});
  }
  page.heading("Checkpoints");
  page.table({"step", "file"}, [&] {
    std::vector<std::vector<std::string>> rows;
    for (const json& one : checkpoints_) rows.push_back({one["step"].dump(), one["checkpoint"]});
    return rows;
  }());
  page.heading("Arguments");
  page.table({"key", "value"}, [&] {
    std::vector<std::vector<std::string>> rows;
    for (const auto& [key, value] : plan_.arguments.items()) {
      if (!value.is_null()) rows.push_back({key, value.dump()});
    }
    return rows;
  }());
  if (!report.is_null()) page.text(report.dump(2));
  base::write_file(plan_.output_path / "report.html", page.finish());
}

}  // namespace gesso::reports
