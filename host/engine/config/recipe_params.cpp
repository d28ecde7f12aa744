#include "engine/config/recipe_params.hpp"

#include <algorithm>
#include <iterator>

namespace gesso::config {
namespace {

using nlohmann::json;
using registry::Param;

constexpr int32_t kInt = GESSO_VALUE_INT, kReal = GESSO_VALUE_REAL, kText = GESSO_VALUE_TEXT,
                  kTexts = GESSO_VALUE_TEXTS, kBool = GESSO_VALUE_BOOL;

struct Bounds {
  json min = nullptr, max = nullptr;
};

Param make(int32_t type, const char* key, const char* summary, json preset = nullptr,
           const char* unit = "", Bounds bounds = {}, std::vector<std::string> choices = {}) {
  return {key,
          type,
          summary,
          unit,
          std::move(preset),
          std::move(bounds.min),
          std::move(bounds.max),
          std::move(choices)};
}

Param choice(const char* key, const char* summary, json preset, std::vector<std::string> choices) {
  return make(kText, key, summary, std::move(preset), "", {}, std::move(choices));
}

Param path(const char* key, const char* summary) {
  return make(kText, key, summary, nullptr, kPathUnit);
}

// First the reference's, in the order of its command line. Where several names are wanted, a list
// or one text with commas.
const std::vector<Param> kTrainParams = {
    path("dataset_base_path",
         "The folder that the files of the metadata are in; of a task that ends in \":train\" the "
         "cache"),
    path("dataset_metadata_path",
         "The items: .csv, .json or .jsonl with the columns image and prompt"),
    make(kInt, "dataset_repeat", "How often an epoch shows each item", 1, "times", {1}),
    make(kInt, "dataset_num_workers", "Threads that read ahead; they do not change the order", 2,
         "threads", {0, 256}),
    make(kTexts, "data_file_keys", "Columns that name picture files", json{"image", "video"}),
    make(kTexts, "model_paths",
         "Weight files of the pipeline, told by their content; [components] says it more plainly",
         nullptr, kPathUnit),
    make(kTexts, "model_id_with_origin_paths",
         "The same as \"model:pattern\"; without variant they tell it, too"),
    make(kTexts, "extra_inputs",
         "Further columns that the pipeline gets: edit_image, controlnet_image, seed, "
         "template_inputs, ..."),
    make(kTexts, "fp8_models", "Entries of the two above whose weights are kept in 8 bits"),
    make(kTexts, "offload_models",
         "Entries of the two above of which only the sizes are needed (split training)"),
    path("resume_from_checkpoint",
         "Weights that one model starts from, a file that training wrote; see resume for going on "
         "with a run"),
    make(kText, "quant_options",
         "Weights that are kept smaller: \"entry:method/left,out;entry:method\", such as "
         "bitsandbytes_nf4"),
    make(kReal, "learning_rate", "Of AdamW", 1e-4, "", {0.0}),
    make(kInt, "num_epochs", "How often the dataset is gone through", 1, "epochs", {1}),
    make(
        kTexts, "trainable_models",
        "Models whose own weights are trained: dit, controlnet, text_encoder, vae, template_model, "
        "template_model.emb2lora"),
    make(kBool, "find_unused_parameters", "Not needed here: unused weights get no gradient", false),
    make(kReal, "weight_decay", "Of AdamW", 0.01, "", {0.0}),
    choice("task",
           "What is learnt; with \":data_process\" items are encoded once, \":train\" reads "
           "them",
           "sft",
           {"sft", "sft:data_process", "sft:train", "direct_distill", "direct_distill:data_process",
            "direct_distill:train", "trajectory_imitation", "vae"}),
    make(kText, "customized_optimizer", "Only torch.optim.AdamW and bitsandbytes.optim.AdamW8bit"),
    path("output_path",
         "Where checkpoints and reports go; default: models/train/<recipe> in the "
         "working folder"),
    make(kText, "remove_prefix_in_ckpt", "What names in checkpoints lose at their beginning",
         "pipe.dit."),
    make(kInt, "save_steps",
         "Writes step-N.safetensors every so many batches; else epoch-N at each "
         "end of an epoch",
         nullptr, "batches", {1}),
    make(kText, "lora_base_model", "The model that gets a LoRA, such as dit"),
    make(kTexts, "lora_target_modules",
         "Linear layers that get one: names or ends of names, one regular expression, all-linear; "
         "\"\": the wide ones of all blocks",
         json{""}),
    make(kInt, "lora_rank", "Its rank, and its alpha", 32, "", {1, 4096}),
    path("lora_checkpoint", "A LoRA that it starts from"),
    path("preset_lora_path",
         "A LoRA that is added to the frozen weights and not saved (differential training)"),
    make(kText, "preset_lora_model", "The model that it is added to", "dit"),
    make(kBool, "use_gradient_checkpointing", "Computes each block twice instead of keeping it",
         false),
    make(kBool, "use_gradient_checkpointing_offload", "The same, with what is kept in main memory",
         false),
    make(kInt, "gradient_accumulation_steps", "Batches per step of the optimizer", 1, "batches",
         {1}),
    make(kText, "template_model_id_or_path",
         "The image-to-LoRA model that is trained, as \"model:\" or a path"),
    make(kBool, "enable_lora_hot_loading", "Not needed here: LoRAs always act at run time", false),
    make(kBool, "enable_model_cpu_offload", "Weights in main memory (the only place on a CPU)",
         false),
    make(kBool, "enable_optimizer_cpu_offload", "The optimizer's states in main memory", false),
    make(kInt, "cpu_offload_split_threshold", "Not needed here: weights move block by block",
         nullptr, "MB", {0}),
    make(kBool, "enable_tensorboard_log", "Writes tensorboard_log/", false),
    make(kBool, "enable_swanlab_log", "Not offered: it sends data to a service", false),
    make(kText, "swanlab_project", "Not read"),
    make(kBool, "enable_wandb_log", "Not offered: it sends data to a service", false),
    make(kText, "wandb_project", "Not read"),
    make(kBool, "enable_csv_log", "Writes loss.csv", false),
    make(kInt, "height", "With width: the size of every item", nullptr, "pixels", {16}),
    make(kInt, "width", "With height: the size of every item", nullptr, "pixels", {16}),
    make(kInt, "max_pixels", "Without them: larger pictures are shrunk to so many", 1048576,
         "pixels", {256}),
    path("tokenizer_path", "The folder of the tokenizer"),
    make(kBool, "enable_npu_patch", "Not needed here: there is one way of computing", false),

    // From here on: beyond the reference.
    make(kInt, "batch_size", "Items of one size that a batch has, on each worker", 1, "items",
         {1, 4096}),
    make(kBool, "bucket_by_caption", "Puts captions of like length into a batch", true),
    make(kInt, "seed", "Of order, noise, noise levels and dropout", 0, "", {0}),
    make(kInt, "max_steps", "Ends after so many steps of the optimizer; 0: with the last epoch", 0,
         "steps", {0}),
    make(kReal, "caption_dropout", "The part of items that are shown without their caption", 0.0,
         "", {0.0, 1.0}),
    choice("on_error",
           "What a picture that cannot be read does: ends the run, or is left out and "
           "named",
           "stop", {"stop", "skip"}),
    choice(
        "lr_scheduler",
        "reference: a third of the rate for five steps, then all of it; the others as named, from "
        "the end of the warm-up to the last step",
        "reference", {"reference", "constant", "linear", "cosine"}),
    make(kInt, "lr_warmup_steps", "Steps in which the rate grows from 0", 0, "steps", {0}),
    make(kReal, "lr_min_ratio", "What linear and cosine leave of the rate", 0.0, "", {0.0, 1.0}),
    make(kReal, "adam_beta1", "Of AdamW", 0.9, "", {0.0, 0.999999}),
    make(kReal, "adam_beta2", "Of AdamW", 0.999, "", {0.0, 0.999999999}),
    make(kReal, "adam_epsilon", "Of AdamW", 1e-8, "", {0.0}),
    make(kReal, "max_grad_norm", "Gradients that are longer are shortened to it; 0: never", 0.0, "",
         {0.0}),
    make(kReal, "ema_decay", "Keeps a moving average of the trained weights and saves it; 0: no",
         0.0, "", {0.0, 0.999999999}),
    choice("optimizer_states", "How AdamW keeps its two moments", "f32", {"f32", "8bit"}),
    choice("trainable_dtype", "The type of trained weights while they are trained", "f32",
           {"f32", "bf16"}),
    choice("save_dtype", "The type of weights in checkpoints", "bf16", {"bf16", "f32"}),
    choice("lora_kind", "What is trained instead of a plain LoRA", "lora",
           {"lora", "dora", "lokr"}),
    choice("controlnet_init",
           "base: a ControlNet without files starts as a copy of the denoiser's blocks",
           "checkpoint", {"checkpoint", "base"}),
    make(kInt, "zero_stage",
         "What workers share out among them: 1 the optimizer's states, 2 gradients, too, 3 "
         "weights, too",
         0, "", {0, 3}),
    make(kInt, "teacher_steps", "Of trajectory imitation", 50, "steps", {1, 1000}),
    make(kInt, "student_steps", "Of trajectory imitation", 8, "steps", {1, 1000}),
    make(kReal, "teacher_cfg_scale", "Of trajectory imitation", 2.0, "", {0.0}),
    make(kReal, "vae_edge_weight", "Of task vae: of differences of neighbours, beside the pixels'",
         0.5, "", {0.0}),
    make(kReal, "vae_kl_weight", "Of task vae: of the distance of the latents to N(0, 1)", 1e-6, "",
         {0.0}),
    make(kBool, "resume", "Goes on with the run in output_path exactly where it stopped", false),
    make(kInt, "keep_states", "States for resume that are kept; 0: none is written", 1, "", {0}),
    make(kReal, "validation_split", "The part of rows that is held out", 0.0, "", {0.0, 0.9}),
    make(kInt, "validation_steps", "Computes their loss every so many steps; 0: at the end", 0,
         "steps", {0}),
    make(kInt, "sample_steps", "Makes the pictures of [generate] every so many steps; 0: never", 0,
         "steps", {0}),
    make(kInt, "log_steps", "Tells the loss every so many batches", 1, "batches", {1}),
};

constexpr TrainRemark kRemarks[] = {
    {"find_unused_parameters", false, "weights without a gradient are found by themselves"},
    {"enable_lora_hot_loading", false, "LoRAs always act at run time here"},
    {"enable_npu_patch", false, "NPUs are not supported, and nothing needs to be patched"},
    {"cpu_offload_split_threshold", false, "weights move block by block"},
    {"swanlab_project", false, "only SwanLab reads it"},
    {"wandb_project", false, "only Weights & Biases reads it"},
    {"enable_swanlab_log", true,
     "Gesso sends nothing to services; metrics.jsonl, report.html and enable_tensorboard_log have "
     "the same numbers"},
    {"enable_wandb_log", true,
     "Gesso sends nothing to services; metrics.jsonl, report.html and enable_tensorboard_log have "
     "the same numbers"},
};

struct Attribute {
  std::string_view name, role;
};
// The first of several names of a role is the one that checkpoints use.
constexpr Attribute kAttributes[] = {
    {"dit", "denoiser"},
    {"vae", "codec"},
    {"vae_encoder", "codec"},
    {"vae_decoder", "codec"},
    {"controlnet", "controlnet"},
    {"text_encoder", "text_encoder"},
    {"image_encoder", "image_encoder"},
    {"template_model", "image2lora"},
    {"image2lora_style", "image2lora"},
};

}  // namespace

const std::vector<Param>& train_params() { return kTrainParams; }

const TrainRemark* train_remark(std::string_view key) {
  const auto found = std::ranges::find(kRemarks, key, &TrainRemark::key);
  return found == std::end(kRemarks) ? nullptr : &*found;
}

std::string role_of_attribute(std::string_view attribute) {
  const auto found = std::ranges::find(kAttributes, attribute, &Attribute::name);
  return std::string(found == std::end(kAttributes) ? attribute : found->role);
}

std::string attribute_of_role(std::string_view role) {
  const auto found = std::ranges::find(kAttributes, role, &Attribute::role);
  return std::string(found == std::end(kAttributes) ? role : found->name);
}

}  // namespace gesso::config
