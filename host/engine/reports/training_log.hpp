// What a training run leaves for people: files beside the checkpoints, events for who watches.
//
//   training_args.json   [train] as resolved, by the reference's names
//   metrics.jsonl        an object per logged batch, validation, sample and checkpoint
//   loss.csv             step,key,value, as the reference writes it (enable_csv_log)
//   tensorboard_log/     events for TensorBoard (enable_tensorboard_log)
//   samples/             pictures that were made on the way
//   loss.svg, report.html   the curve; everything on one page that needs no other file
#pragma once

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/config/train_plan.hpp"
#include "engine/reports/curve.hpp"
#include "engine/reports/tensorboard.hpp"
#include "runtime/runtime.hpp"
#include "runtime/training_report.hpp"

namespace gesso::reports {

/// The stage of Info events whose text is a JSON object with "step" and numbers, a line of
/// metrics.jsonl.
inline constexpr const char* kMetricStage = "metric";

class TrainingLog : public runtime::TrainReport {
 public:
  /// @param now  seconds since 1970; files get their times from it
  TrainingLog(const config::TrainPlan& plan, runtime::Watch watch, std::function<double()> now);

  // All throw Error Denied when a file cannot be written.

  /// A resumed run keeps what was logged up to `micro_batch` and forgets the rest.
  void begin(int64_t micro_batch) override;
  void step(const runtime::TrainStep& step) override;
  void validation(int64_t micro_batch, double loss) override;
  void sample(int64_t micro_batch, size_t index, const image::Image& picture) override;
  void checkpoint(int64_t micro_batch, const std::filesystem::path& file) override;
  /// Writes curve and page; `report` is what training returned, null when it ended early.
  void end(const nlohmann::json& report);

 private:
  void add(const nlohmann::json& line);
  void tell_metric(const nlohmann::json& line) const;
  void remember(const nlohmann::json& line);
  void write_page(const nlohmann::json& report) const;
  std::string loss_curve() const;

  const config::TrainPlan& plan_;
  runtime::Watch watch_;
  std::function<double()> now_;
  std::ofstream metrics_, csv_;
  std::unique_ptr<TensorboardFile> tensorboard_;

  // The history, for curves.
  std::vector<Point> losses_, rates_, validations_;
  std::vector<nlohmann::json> checkpoints_;
  std::map<int64_t, std::vector<std::string>> samples_;  // files by micro-batch
  std::vector<image::Image> sheet_;                      // of the samples that come in now
  runtime::TrainStep last_;
};

}  // namespace gesso::reports
