// What training tells while it runs; whoever starts it writes files and draws curves of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/image/image.hpp"

namespace gesso::runtime {

/// One micro-batch.
struct TrainStep {
  int64_t micro_batch = 0;      // from 1, over all epochs, as the reference counts steps
  int64_t optimizer_steps = 0;  // done, this one included
  int64_t total_micro_batches = 0;
  int64_t epoch = 0;          // from 0
  double loss = 0;            // mean over the batch, over all workers
  double learning_rate = 0;   // of the last optimizer step
  double gradient_norm = -1;  // before clipping; -1: no optimizer step in this micro-batch
  double seconds = 0, seconds_left = 0;
  double boundary_seconds = 0;     // of them: the host's side of the plugin boundary
  uint64_t memory_bytes = 0;       // resident
  std::vector<std::string> items;  // where they stand: "metadata.csv:12"
};

/// All functions are called on the thread that trains; of several workers, on the first alone.
class TrainReport {
 public:
  virtual ~TrainReport() = default;
  /// Once, before the first step. @param micro_batch  where a resumed run goes on; else 0
  virtual void begin(int64_t micro_batch) { static_cast<void>(micro_batch); }
  virtual void step(const TrainStep&) {}
  virtual void validation(int64_t micro_batch, double loss) {
    static_cast<void>(micro_batch), static_cast<void>(loss);
  }
  virtual void sample(int64_t micro_batch, size_t index, const image::Image& picture) {
    static_cast<void>(micro_batch), static_cast<void>(index), static_cast<void>(picture);
  }
  virtual void checkpoint(int64_t micro_batch, const std::filesystem::path& file) {
    static_cast<void>(micro_batch), static_cast<void>(file);
  }
};

}  // namespace gesso::runtime
