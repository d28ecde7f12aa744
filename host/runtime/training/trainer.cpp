#include "runtime/training/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/training/trainer_detail.hpp"

namespace gesso::runtime {
namespace {

constexpr uint32_t kLevels = 1000;  // of flow matching, as the reference

int32_t checkpoint_level(config::TrainPlan::Checkpointing checkpointing) {
  using Level = config::TrainPlan::Checkpointing;
  return checkpointing == Level::None     ? int32_t{GESSO_CHECKPOINT_NONE}
         : checkpointing == Level::Blocks ? int32_t{GESSO_CHECKPOINT_BLOCKS}
                                          : int32_t{GESSO_CHECKPOINT_BLOCKS_OFFLOADED};
}

}  // namespace

Trainer::Trainer(const config::TrainPlan& plan, const Run& run, TrainReport& report,
                 Workers& workers, Paint paint)
    : plan_(plan),
      run_(run),
      report_(report),
      workers_(workers),
      paint_(std::move(paint)),
      checkpoint_(checkpoint_level(plan.checkpointing)),
      draw_type_(run.as_reference() ? at::kBFloat16 : at::kFloat),
      dataset_(data::open_dataset(plan.data)),
      split_(data::split(*dataset_, plan.data)) {}

Trainer::~Trainer() = default;

/// @return the mean over all workers; NaN: no item could be read. @throws Error  Numeric naming the
/// worker whose loss or gradients are not finite; the item is known where it is
double Trainer::agree_on_loss(const std::vector<double>& losses,
                              const std::vector<EncodedItem>& items, bool finite_gradients) const {
  const auto advice = [&] {
    return fmt::format(
        "the last checkpoint is good. Is the learning rate ({}) too high, or the "
        "item damaged?",
        plan_.optimizer.learning_rate);
  };
  double sum = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    sum += losses[i];
    if (std::isfinite(losses[i])) continue;
    throw Error(Status::Numeric,
                fmt::format("micro-batch {}: the loss is {} at {}; {}", micro_batch_ + 1,
                            std::fabs(losses[i]), items[i].where, advice()));
  }
  if (!finite_gradients) {
    throw Error(Status::Numeric, fmt::format("micro-batch {}: the gradients are not finite; {}",
                                             micro_batch_ + 1, advice()));
  }
  const auto all = workers_.share({sum, static_cast<double>(losses.size())});
  double total = 0, count = 0;
  for (const auto& of : all) total += of[0], count += of[1];
  return count > 0 ? total / count : std::nan("");
}

/// The end of a group of micro-batches: gradients become a step.
void Trainer::finish_group(int64_t total) {
  learning_rate_ = learning_rate(plan_.schedule, plan_.optimizer.learning_rate,
                                 progress_.optimizer_steps, total);
  gradient_norm_ = optimization_->step(learning_rate_);
  if (std::isfinite(gradient_norm_)) return;
  throw Error(Status::Numeric,
              fmt::format("micro-batch {}: the gradients are not finite; the last checkpoint is "
                          "good. Is the learning rate ({}) too high?",
                          micro_batch_ + 1, plan_.optimizer.learning_rate));
}

nlohmann::json Trainer::train() {
  const auto start = Clock::now();
  if (workers_.first()) std::filesystem::create_directories(plan_.output_path);
  choose_parameters();
  resume();
  if (plan_.loss != config::Loss::Reconstruction) {
    grid_ = std::make_unique<TrainingGrid>(run_.parts.get("scheduler"), run_.call, kLevels,
                                           run_.as_reference());
  }
  loader_ = std::make_unique<data::Loader>(dataset_, split_.train, plan_.data, workers_.self(),
                                           progress_.position);
  const auto per_epoch = static_cast<int64_t>(loader_->batches_per_epoch());
  const int64_t accumulation = plan_.gradient_accumulation_steps;
  const int64_t groups = (per_epoch + accumulation - 1) / accumulation;  // per epoch
  int64_t total_groups = groups * plan_.num_epochs, total = per_epoch * plan_.num_epochs;
  if (plan_.max_steps > 0) {
    total_groups = plan_.max_steps;
    total = plan_.max_steps / groups * per_epoch +
            std::min(plan_.max_steps % groups * accumulation, per_epoch);
  }

  micro_batch_ = progress_.micro_batch;
  if (workers_.first()) report_.begin(micro_batch_);
  double last_loss = 0;
  try {
    last_loss = run_steps(total, total_groups);
  } catch (const Error& e) {
    // Cancelled, or a worker was lost: what the last optimizer step left is good. The others are
    // not there any more to give what they keep.
    const bool can_save = workers_.first() && optimization_->whole();
    if (can_save && e.status() != Status::Numeric && progress_.micro_batch > saved_) {
      try {
        write_state();
      } catch (const Error& other) {  // what ended the run is what is told
        run_.watch.event(info(fmt::format("no state of the last step: {}", other.what())));
      }
    }
    throw;
  }
  nlohmann::json failures = nlohmann::json::array();
  for (const data::Failure& failure : loader_->failures()) {
    failures.push_back({{"where", failure.where}, {"text", failure.text}});
  }
  return {
      {"micro_batches", micro_batch_},
      {"optimizer_steps", progress_.optimizer_steps},
      {"loss", last_loss},
      {"parameters", count_parameters()},
      {"seconds", seconds_since(start)},
      {"skipped", failures},
      {"boundary", {{"seconds", boundary_}, {"share", stepped_ > 0 ? boundary_ / stepped_ : 0}}},
      {"memory", process_memory()},
      {"workers", memory_of_workers()}};
}

/// The host's side of the plugin boundary: entering weights, taking gradients over.
double Trainer::boundary_seconds() const {
  double seconds = run_.parts.clock().seconds();
  for (const auto& set : sets_) seconds += set->clock().seconds();
  return seconds;
}

/// Of each: the peak of the process, and what it keeps of gradients and of the optimizer.
nlohmann::json Trainer::memory_of_workers() const {
  const auto all = workers_.share({process_memory().value("peak_rss", 0.0),
                                   static_cast<double>(optimization_->gradient_bytes()),
                                   static_cast<double>(optimization_->optimizer_bytes())});
  nlohmann::json told = nlohmann::json::array();
  for (uint32_t rank = 0; rank < all.size(); ++rank) {
    const auto& of = all[rank];
    told.push_back({{"name", workers_.name_of(rank)},
                    {"peak_rss", static_cast<uint64_t>(of[0])},
                    {"gradient_bytes", static_cast<uint64_t>(of[1])},
                    {"optimizer_bytes", static_cast<uint64_t>(of[2])}});
    if (workers_.alone()) continue;
    run_.watch.event(info(
        fmt::format("{}: peak {:.2f} GB; gradients {:.3f} GB, states of the optimizer {:.3f} GB",
                    workers_.name_of(rank), of[0] / 1e9, of[1] / 1e9, of[2] / 1e9)));
  }
  return told;
}

/// @return the last loss
double Trainer::run_steps(int64_t total, int64_t total_groups) {
  const auto start = Clock::now();
  const int64_t begun = micro_batch_, accumulation = plan_.gradient_accumulation_steps;
  double last_loss = 0;
  while (micro_batch_ < total) {
    run_.call.poll();
    const auto step_start = Clock::now();
    const double boundary_before = boundary_seconds();
    const data::Batch batch = loader_->next();
    std::vector<EncodedItem> items;
    for (const data::Item& item : batch.items) items.push_back(encoded(item));
    run_.memory.enter_phase(plan_.loss == config::Loss::Reconstruction ? kCodecRole
                                                                       : kDenoiserRole);
    const auto in_epoch = static_cast<int64_t>(batch.position.batch) + 1;
    const bool ends_step = in_epoch % accumulation == 0 || batch.ends_epoch;
    optimization_->begin_micro_batch(ends_step);
    const auto losses = losses_of(items, batch);
    const bool finite = optimization_->send_gradients();
    const double loss = agree_on_loss(losses, items, finite);
    if (std::isfinite(loss)) last_loss = loss;
    gradient_norm_ = -1;
    if (ends_step) {
      finish_group(total_groups);
      ++progress_.optimizer_steps;
      progress_.micro_batch = micro_batch_ + 1;
      progress_.position = loader_->position();
    } else {
      optimization_->end_micro_batch();
    }
    ++micro_batch_;
    const bool last = micro_batch_ >= total;
    const double seconds = seconds_since(step_start);
    const double at_boundary = boundary_seconds() - boundary_before;
    boundary_ += at_boundary;
    stepped_ += seconds;
    if (workers_.first()) {
      TrainStep told;
      told.micro_batch = micro_batch_;
      told.optimizer_steps = progress_.optimizer_steps;
      told.total_micro_batches = total;
      told.epoch = static_cast<int64_t>(batch.position.epoch);
      told.loss = loss;
      told.learning_rate = learning_rate_;
      told.gradient_norm = gradient_norm_;
      told.seconds = seconds;
      told.boundary_seconds = at_boundary;
      told.seconds_left = seconds_since(start) / static_cast<double>(micro_batch_ - begun) *
                          static_cast<double>(total - micro_batch_);
      told.memory_bytes = process_memory().value("anonymous", uint64_t{0});
      for (const EncodedItem& item : items) told.items.push_back(item.where);
      report_.step(told);
    }
    if (plan_.validation_steps > 0 && !split_.validation.empty() &&
        micro_batch_ % plan_.validation_steps == 0) {
      const double loss = validate();
      if (workers_.first()) report_.validation(micro_batch_, loss);
    }
    save(micro_batch_, static_cast<int64_t>(batch.position.epoch), batch.ends_epoch, last);
    if (plan_.sample_steps > 0 && plan_.samples && micro_batch_ % plan_.sample_steps == 0 &&
        workers_.first()) {
      paint_([&](size_t index, const image::Image& picture) {
        report_.sample(micro_batch_, index, picture);
      });
    }
  }
  return last_loss;
}

nlohmann::json Trainer::encode_all() {
  const auto start = Clock::now();
  if (workers_.first()) std::filesystem::create_directories(plan_.output_path);
  nlohmann::json maker = {{"numerics", run_.plan.numerics},
                          {"loss", static_cast<int>(plan_.loss)},
                          {"components", nlohmann::json::object()}};
  for (const config::ComponentPlan& component : run_.plan.components) {
    nlohmann::json files = nlohmann::json::array();
    for (const auto& file : component.files) files.push_back(file.filename().string());
    maker["components"][component.role] = {
        {"id", component.info->id}, {"dtype", component.dtype}, {"files", files}};
  }
  data::CacheWriter writer(plan_.output_path, maker);
  const data::Worker self = workers_.self();
  std::vector<size_t> left_out;
  size_t made = 0, kept = 0;
  nlohmann::json failures = nlohmann::json::array();
  for (size_t row = self.rank; row < dataset_->size(); row += self.count) {
    run_.call.poll();
    try {
      const data::Item item = dataset_->load(row);
      if (writer.has(row, item.prompt)) {
        ++kept;
      } else {
        writer.add(cache_entry(item, encoded(item)));
        ++made;
      }
    } catch (const Error& e) {
      const bool of_item = e.status() == Status::BadData || e.status() == Status::NotFound;
      if (!of_item || plan_.data.on_error == config::OnError::Stop) throw;
      left_out.push_back(row);
      failures.push_back({{"where", dataset_->where(row)}, {"text", e.what()}});
    }
    Event event;
    event.type = Event::Step;
    event.stage = "encode";
    event.step = row + 1;
    event.total = dataset_->size();
    run_.watch.event(event);
  }
  std::vector<double> missing(dataset_->size());
  for (const size_t row : left_out) missing[row] = 1;
  left_out.clear();
  const auto all = workers_.share(missing);
  for (size_t row = 0; row < missing.size(); ++row) {
    const size_t worker = row % self.count;
    if (all[worker][row] > 0) left_out.push_back(row);
  }
  if (workers_.first()) writer.finish(dataset_->size(), left_out);
  return {
      {"encoded", made}, {"kept", kept}, {"skipped", failures}, {"seconds", seconds_since(start)}};
}

}  // namespace gesso::runtime
