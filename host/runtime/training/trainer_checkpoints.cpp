// What a run writes, and what it goes on from.
#include <fmt/format.h>

#include "runtime/training/trainer_detail.hpp"

namespace gesso::runtime {
namespace {

/// What a continued run must agree in with the one that it continues.
std::string fingerprint_of(const config::TrainPlan& plan, size_t rows, uint32_t workers) {
  return fmt::format("seed {}, {} rows, batches of {} over all workers, repeat {}, accumulation {}",
                     plan.seed, rows, plan.data.batch_size * workers, plan.data.repeat,
                     plan.gradient_accumulation_steps);
}

}  // namespace

void Trainer::write_checkpoint(const std::string& name) {
  for (const bool average : {false, true}) {
    if (average ? !optimization_->averages() : !workers_.first()) continue;
    std::vector<std::string> names;
    std::vector<at::Tensor> values;
    size_t place = 0;
    for (size_t s = 0; s < sets_.size(); ++s) {
      for (const Parameter& parameter : sets_[s]->all()) {
        names.push_back(
            checkpoint_name(attributes_[s], parameter.name, plan_.remove_prefix_in_ckpt));
        values.push_back(average ? optimization_->average(place) : parameter.value);
        ++place;
      }
    }
    if (!workers_.first()) continue;
    const auto file = plan_.output_path / (name + (average ? "-ema" : "") + ".safetensors");
    write_weights(file, names, values, plan_.save_dtype);
    report_.checkpoint(micro_batch_, file);
  }
}

void Trainer::write_state() {
  if (plan_.keep_states == 0) return;
  runtime::write_state(
      workers_, plan_.output_path,
      {progress_, fingerprint_of(plan_, split_.train.size(), workers_.self().count)},
      *optimization_, plan_.keep_states);
  saved_ = progress_.micro_batch;
}

void Trainer::save(int64_t micro_batch, int64_t epoch, bool ends_epoch, bool last) {
  const bool by_steps = plan_.save_steps > 0;
  const bool aligned = by_steps && micro_batch % plan_.save_steps == 0;
  if (aligned || (by_steps && last)) {
    write_checkpoint(fmt::format("step-{}", micro_batch));
  } else if (!by_steps && (ends_epoch || last)) {
    write_checkpoint(ends_epoch ? fmt::format("epoch-{}", epoch)
                                : fmt::format("step-{}", micro_batch));
  } else {
    return;
  }
  write_state();
}

bool Trainer::resume() {
  if (!plan_.resume) return false;
  const std::filesystem::path file =
      workers_.from_first(workers_.first() ? newest_state(plan_.output_path).string() : "");
  if (file.empty()) {
    run_.watch.event(info(fmt::format("{}: no state to go on from; the run begins anew",
                                      plan_.output_path.string())));
    return false;
  }
  progress_ =
      read_state(workers_, file, fingerprint_of(plan_, split_.train.size(), workers_.self().count),
                 *optimization_)
          .progress;
  run_.watch.event(
      info(fmt::format("{}: goes on after micro-batch {}", file.string(), progress_.micro_batch)));
  return true;
}

}  // namespace gesso::runtime
