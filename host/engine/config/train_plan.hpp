// A recipe after it was checked: everything that training needs, nothing left to guess.
//
// The keys of [train] have the names of the reference's command line (train.py of
// DiffSynth-Studio); what a field means beyond its name stands here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/config/pipeline_plan.hpp"

namespace gesso::runtime {
struct GenerateRequest;
}

namespace gesso::config {

/// What `task` says: what is computed, and where its inputs come from.
enum class Loss {
  FlowMatching,         // "sft"
  DirectDistill,        // "direct_distill": all steps with gradients
  TrajectoryImitation,  // "trajectory_imitation": a student of few steps after its own teacher
  Reconstruction,       // "vae": pixels, edges and KL of the codec
};
enum class Stage {
  Whole,        // encode each item when it comes
  DataProcess,  // ":data_process": encode all items once, into a cache below output_path
  Train,        // ":train": items come from such a cache, dataset_base_path
};

/// Something whose own weights are trained: a component, or a part of one.
struct TrainablePart {
  std::string role;       // "denoiser"
  std::string part;       // a prefix of weight names, "emb2lora"; "": all of it
  std::string attribute;  // the reference's name of the role, "dit": a name in a checkpoint is
                          // "pipe.dit.<weight>" without remove_prefix_in_ckpt
};

/// Which linear layers get a LoRA.
struct LoraTargets {
  enum class Rule {
    Auto,       // in each list of more than one block: both sides at least 512 wide
    AllLinear,  // every linear layer
    Names,      // whole names, or their ends: "to_q" is "layers.3.attention.to_q"
    Pattern,    // one ECMAScript expression over whole names
  };
  Rule rule = Rule::Auto;
  std::vector<std::string> names;  // of Names; of Pattern: one
  std::string written;             // as the recipe has it, for messages
  std::string where;               // "style.toml:12:1"
};

struct LoraPlan {
  std::string role;       // lora_base_model
  std::string attribute;  // as above
  LoraTargets targets;
  int64_t rank = 32;                 // alpha is the same
  std::string kind = "lora";         // lora_kind: "lora", "dora", "lokr"
  std::filesystem::path checkpoint;  // lora_checkpoint: where it starts; empty: B is 0
};

/// A LoRA that is added to the frozen weights before training begins and not saved with them.
struct PresetLora {
  std::string role;
  std::filesystem::path path;
  std::string where;
};

struct OptimizerPlan {
  double learning_rate = 1e-4;
  double weight_decay = 0.01;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  enum class States { F32, Bits8 };  // 8bit: blocks of 256, as bitsandbytes
  States states = States::F32;
  bool offload_states = false;  // enable_optimizer_cpu_offload
  double max_grad_norm = 0;     // 0: gradients are not clipped
  double ema_decay = 0;         // 0: no average is kept
};

struct SchedulePlan {
  enum class Shape {
    Reference,  // a third of the rate for the first 5 optimizer steps, as the reference does
    Constant,
    Linear,  // down to min_ratio at the last step
    Cosine,  // the same along half a cosine
  };
  Shape shape = Shape::Reference;
  int64_t warmup_steps = 0;  // optimizer steps from 0 to the rate
  double min_ratio = 0;      // of the rate at the end
};

enum class OnError { Stop, Skip };

/// Where items come from and how they are made ready.
struct DataPlan {
  std::filesystem::path base_path;      // of pictures; of ":train" the folder of the cache
  std::filesystem::path metadata_path;  // .csv, .json, .jsonl; empty with a cache
  std::string where;                    // of the dataset in the recipe, for messages
  int64_t repeat = 1;
  int64_t num_workers = 0;             // threads that read ahead; 0: items are read when asked for
  std::vector<std::string> file_keys;  // columns that name pictures
  std::vector<std::string> extra_inputs;  // further columns that the pipeline gets
  std::optional<int64_t> height, width;   // fixed size; else by max_pixels
  int64_t max_pixels = 1048576;
  int64_t size_multiple = 16;
  int64_t batch_size = 1;
  bool bucket_by_caption = true;  // like lengths together in a batch
  double caption_dropout = 0;     // share of items whose caption is "" this time
  OnError on_error = OnError::Stop;
  bool shuffle = true;
  uint64_t seed = 0;
  double validation_split = 0;  // share of rows held out
};

struct TrainPlan {
  std::string name;       // the recipe, for messages
  PipelinePlan pipeline;  // the components, [generate] and [adapters] of the recipe

  Loss loss = Loss::FlowMatching;
  Stage stage = Stage::Whole;
  std::vector<TrainablePart> trainable;   // trainable_models
  std::optional<LoraPlan> lora;           // set with lora_base_model
  std::optional<PresetLora> preset_lora;  // refuse to start when nothing of it fits
  /// Components without files: what offload_models names, and what the task does not compute. Their
  /// plans have no weights.
  std::vector<std::string> absent_roles;
  /// Components without files whose first weights are made of another's: controlnet_init.
  std::vector<std::string> untrained_roles;

  DataPlan data;
  OptimizerPlan optimizer;
  SchedulePlan schedule;
  uint64_t seed = 0;  // of noise, timesteps, order, dropout
  int64_t num_epochs = 1;
  int64_t max_steps = 0;  // optimizer steps; 0: as many as num_epochs gives
  int64_t gradient_accumulation_steps = 1;
  enum class Checkpointing { None, Blocks, BlocksOffloaded };
  Checkpointing checkpointing = Checkpointing::None;
  std::string parameter_dtype =
      "f32";          // of trained weights while training; "bf16" as the reference
  int32_t shard = 0;  // over workers: 1 optimizer states, 2 gradients too, 3 parameters too

  // Trajectory imitation and direct distillation.
  int64_t teacher_steps = 50, student_steps = 8;
  double teacher_cfg_scale = 2.0;
  double vae_edge_weight = 0.5, vae_kl_weight = 1e-6;  // of Reconstruction, beside the pixels'

  // Results.
  std::filesystem::path output_path;
  std::string remove_prefix_in_ckpt;  // "" or "pipe.dit.": names below the component
  std::string save_dtype = "bf16";
  int64_t save_steps = 0;   // micro-batches, as the reference counts; 0: once per epoch
  int64_t keep_states = 1;  // states for resuming that are kept beside checkpoints; 0: none
  // Weights that a component starts from, a checkpoint of ours or the reference's; empty: none.
  std::filesystem::path resume_weights;
  std::string resume_role;  // whose they are
  bool resume = false;      // go on with the run in output_path: optimizer, position and all

  // Seeing it.
  int64_t sample_steps = 0;                                 // pictures every so many; 0: never
  std::shared_ptr<const runtime::GenerateRequest> samples;  // what they show: [generate]
  int64_t validation_steps = 0;                             // held-out loss every so many; 0: never
  int64_t log_steps = 1;
  bool tensorboard = false, csv = false;

  std::vector<std::string> warnings;  // of checking, for people
  nlohmann::json arguments;  // [train] as resolved, by the reference's names: training_args.json
};

}  // namespace gesso::config
