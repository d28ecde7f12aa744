// What training leaves on disk.
//
//   step-200.safetensors, epoch-0.safetensors   weights in the reference's names
//   state-200.safetensors                       all that a resumed run needs, to the bit
//
// Files appear whole under their names or not at all.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/data/dataset.hpp"
#include "engine/weights/weight_set.hpp"
#include "runtime/training/optimization.hpp"

namespace gesso::runtime {

/// How far a run is.
struct TrainProgress {
  int64_t micro_batch = 0;      // done
  int64_t optimizer_steps = 0;  // done
  data::Position position;      // of the next batch
  double loss_sum = 0;          // of the epoch, for its mean
};

/// The name of a parameter in a checkpoint: "pipe.dit.<name>" without the prefix that the plan
/// removes.
std::string checkpoint_name(const std::string& attribute, const std::string& name,
                            const std::string& removed_prefix);

/// @param values  in float32; written as `dtype`: "bf16" or "f32"
void write_weights(const std::filesystem::path& file, const std::vector<std::string>& names,
                   const std::vector<at::Tensor>& values, const std::string& dtype);

struct TrainState {
  TrainProgress progress;
  std::string fingerprint;  // of what must not change between a run and its continuation
};

/// Parameters, moments and averages with `state`; afterwards all but the newest `keep` are removed.
/// The first worker writes what it gets of the others; the file does not tell how many there were.
void write_state(Workers& workers, const std::filesystem::path& folder, const TrainState& state,
                 Optimization& optimization, int64_t keep);
/// The newest state of a folder; empty: there is none.
std::filesystem::path newest_state(const std::filesystem::path& folder);
/// The first worker reads `file`, and gives the others what is theirs.
/// @throws Error  Incompatible when it is of another run: names, shapes or `fingerprint` differ
TrainState read_state(Workers& workers, const std::filesystem::path& file,
                      const std::string& fingerprint, Optimization& optimization);

}  // namespace gesso::runtime
