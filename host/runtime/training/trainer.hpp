// A training run from its plan to its last checkpoint.
//
//   per micro-batch: items -> encoded (or cached) -> draws -> losses, gradients -> sums
//   per group of micro-batches: reduced over workers, clipped, a step of AdamW, averages
//
// Everything random is a function of the seed and of the place of an item in the run, never of what
// was drawn before: a position is all that a resumed run needs, and workers see what one would.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/config/train_plan.hpp"
#include "engine/data/dataset.hpp"
#include "runtime/run.hpp"
#include "runtime/training/checkpoint.hpp"
#include "runtime/training/encoding.hpp"
#include "runtime/training/losses.hpp"
#include "runtime/training/optimization.hpp"
#include "runtime/training/outside.hpp"
#include "runtime/training/workers.hpp"
#include "runtime/training_report.hpp"

namespace gesso::runtime {

class Trainer {
 public:
  /// Paints the pictures of plan.samples with the pipeline as it is.
  using Paint = std::function<void(const std::function<void(size_t, const image::Image&)>& sink)>;

  /// @throws Error  NotFound, InvalidArgument, Incompatible: nothing can be trained as planned
  Trainer(const config::TrainPlan& plan, const Run& run, TrainReport& report, Workers& workers,
          Paint paint);
  ~Trainer();

  /// @return {"micro_batches", "optimizer_steps", "loss", "seconds", "parameters", ...}
  /// @throws Error  Numeric naming step and item; Cancelled; Denied for a full disk. Whatever was
  ///                saved before can be resumed from
  nlohmann::json train();
  /// Stage DataProcess: every item once, into the cache at plan.output_path.
  nlohmann::json encode_all();

 private:
  void choose_parameters();
  void train_component(const config::TrainablePart& part);
  void train_lora();
  void train_whole_updates();
  void add_preset();
  void start_from_checkpoint();
  Parameters* parameters_of(const std::string& role) const;

  EncodedItem encoded(const data::Item& item);
  std::vector<double> losses_of(const std::vector<EncodedItem>& items, const data::Batch& batch);
  double agree_on_loss(const std::vector<double>& losses, const std::vector<EncodedItem>& items,
                       bool finite_gradients) const;
  std::vector<double> flow_matching(const std::vector<EncodedItem>& items,
                                    const std::vector<uint64_t>& draws, double scale,
                                    bool backward);
  double distilled(const EncodedItem& item, uint64_t draw, double scale);
  std::vector<double> reconstructed(const std::vector<EncodedItem>& items,
                                    const std::vector<uint64_t>& draws, double scale,
                                    bool backward);
  double validate();
  void finish_group(int64_t total);
  double run_steps(int64_t total, int64_t total_groups);
  void save(int64_t micro_batch, int64_t epoch, bool ends_epoch, bool last);
  void write_checkpoint(const std::string& name);
  void write_state();
  bool resume();
  Conditions conditions_of(const std::vector<EncodedItem>& items) const;
  bool shares_conditions(const EncodedItem& item) const;
  int64_t count_parameters() const;
  double boundary_seconds() const;
  nlohmann::json memory_of_workers() const;

  const config::TrainPlan& plan_;
  const Run& run_;
  TrainReport& report_;
  Workers& workers_;
  Paint paint_;
  int32_t checkpoint_;
  at::ScalarType draw_type_;

  std::shared_ptr<const data::Dataset> dataset_;
  data::Split split_;
  std::unique_ptr<data::Loader> loader_;

  std::vector<std::unique_ptr<Parameters>> sets_;
  std::vector<std::string> attributes_;  // of each set: names in checkpoints
  std::unique_ptr<Parameters> teacher_;  // the LoRA as it was at the start
  std::unique_ptr<GeneratedUpdates> generated_;
  std::unique_ptr<Optimization> optimization_;
  std::unique_ptr<TrainingGrid> grid_;
  std::optional<Trajectory> trajectory_;

  TrainProgress progress_;  // at the last optimizer step: where a resumed run goes on
  int64_t micro_batch_ = 0, saved_ = 0;
  double learning_rate_ = 0, gradient_norm_ = -1;
  double boundary_ = 0, stepped_ = 0;  // seconds of all steps so far
};

}  // namespace gesso::runtime
