#include "engine/config/recipe.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "engine/base/launch.hpp"
#include "engine/base/suggest.hpp"
#include "engine/config/check.hpp"
#include "engine/config/merge.hpp"
#include "engine/config/recipe_models.hpp"
#include "engine/config/recipe_params.hpp"
#include "engine/config/recipe_reader.hpp"
#include "engine/config/recipe_storage.hpp"
#include "engine/config/request.hpp"

namespace gesso::config {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using registry::Param;
using Reader = TrainReader;

/// All keys with their values, the defaults filled in.
json resolved(const json& values) {
  json all = json::object();
  for (const Param& param : train_params()) {
    all[param.key] = values.contains(param.key) ? values[param.key] : param.preset;
  }
  return all;
}

void tell_remarks(const Reader& train) {
  for (const auto& [key, value] : train.values().items()) {
    const TrainRemark* remark = train_remark(key);
    if (!remark || value == find_param(train_params(), key)->preset) continue;
    if (remark->refused) train.error(key, std::string(remark->text), Status::NotSupported);
    if (!remark->refused) train.warn(key, "not read: " + std::string(remark->text));
  }
}

// The reference's template model holds the image encoders, too; here they are components of their
// own, and image2lora is this part of it.
constexpr const char* kDecoderPart = "emb2lora";

// --- What is computed --------------------------------------------------------------------------

void read_task(const Reader& train, TrainPlan& plan) {
  const std::string task = train.text("task");
  const size_t colon = task.find(':');
  const std::string loss = task.substr(0, colon);
  plan.loss = loss == "sft"              ? Loss::FlowMatching
              : loss == "direct_distill" ? Loss::DirectDistill
              : loss == "vae"            ? Loss::Reconstruction
                                         : Loss::TrajectoryImitation;
  if (colon == std::string::npos) return;
  plan.stage = task.substr(colon + 1) == "train" ? Stage::Train : Stage::DataProcess;
}

/// The roles of the variant, and the reference's names of them.
std::string known_models(const registry::VariantInfo& variant) {
  std::vector<std::string> names;
  static const std::set<std::string> kTrained = {"denoiser",   "codec",           "text_encoder",
                                                 "controller", "delta_generator", "image_encoder"};
  for (const registry::Role& role : variant.roles) {
    if (kTrained.contains(role.kind)) names.push_back(attribute_of_role(role.name));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

/// The role of a model that [train] names; "" and a problem when the variant has none.
std::string role_named(const Reader& train, const std::string& key, const std::string& attribute,
                       const TrainPlan& plan) {
  const std::string role = role_of_attribute(attribute);
  const registry::VariantInfo* variant = plan.pipeline.variant;
  if (!variant) return role;
  const bool there = std::ranges::any_of(variant->roles, [&](const registry::Role& known) {
    return known.name == role || (known.many && role.starts_with(known.name + "_"));
  });
  if (there) return role;
  train.error(key, fmt::format("variant \"{}\" has no model \"{}\"; it has {}", variant->name,
                               attribute, known_models(*variant)));
  return {};
}

LoraTargets read_targets(const Reader& train) {
  LoraTargets targets;
  targets.names = train.list("lora_target_modules");
  targets.written = fmt::format("{}", fmt::join(targets.names, ","));
  targets.where = train.place("lora_target_modules").text();
  if (targets.names.empty()) return targets;
  targets.rule = LoraTargets::Rule::Names;
  if (targets.names.size() > 1) return targets;
  // PEFT takes a single name for an expression over whole names, with which "to_q" matches nothing.
  const std::string& only = targets.names.front();
  if (only == "all-linear") targets.rule = LoraTargets::Rule::AllLinear;
  if (only.find_first_of("*+?()[]{}|^$\\") != std::string::npos) {
    targets.rule = LoraTargets::Rule::Pattern;
  }
  return targets;
}

void read_trained(const Reader& train, TrainPlan& plan) {
  for (const std::string& name : train.list("trainable_models")) {
    const size_t dot = name.find('.');
    const std::string attribute = name.substr(0, dot);
    const std::string role = role_named(train, "trainable_models", attribute, plan);
    if (role.empty()) continue;
    std::string part = dot == std::string::npos ? "" : name.substr(dot + 1);
    if (part == kDecoderPart) part.clear();
    plan.trainable.push_back({role, std::move(part), attribute_of_role(role)});
  }
  if (train.given("lora_base_model")) {
    const std::string attribute = train.text("lora_base_model");
    if (attribute.empty()) {
      train.error("lora_base_model", "a LoRA on the whole pipeline is not offered; name a model",
                  Status::NotSupported);
    }
    LoraPlan lora;
    lora.role = attribute.empty() ? "" : role_named(train, "lora_base_model", attribute, plan);
    lora.attribute = attribute_of_role(lora.role);
    lora.targets = read_targets(train);
    lora.rank = train.integer("lora_rank");
    lora.kind = train.text("lora_kind");
    lora.checkpoint = train.existing("lora_checkpoint");
    plan.lora = std::move(lora);
  } else if (train.given("lora_checkpoint")) {
    train.error("lora_checkpoint", "not read without lora_base_model, such as \"dit\"");
  }
  if (train.given("preset_lora_path")) {
    const std::string role =
        role_named(train, "preset_lora_model", train.text("preset_lora_model"), plan);
    plan.preset_lora = PresetLora{role, train.existing("preset_lora_path"),
                                  train.place("preset_lora_path").text()};
  }
  if (plan.loss == Loss::Reconstruction) {
    if (plan.trainable.empty() && !plan.lora) plan.trainable.push_back({"codec", "", "vae"});
    const bool codec_alone =
        !plan.lora && std::ranges::all_of(plan.trainable, [](const TrainablePart& part) {
          return part.role == "codec";
        });
    if (!codec_alone)
      train.error("task", "vae trains the vae alone; set trainable_models = \"vae\"");
  }
  if (plan.stage != Stage::DataProcess && plan.trainable.empty() && !plan.lora) {
    train.error(
        "task",
        "nothing is trained; set lora_base_model (a LoRA) or trainable_models (all weights), "
        "such as \"dit\"");
  }
  if (plan.loss == Loss::TrajectoryImitation && !plan.lora) {
    train.error("task", "trajectory_imitation trains a LoRA; set lora_base_model = \"dit\"");
  }
}

void read_resume(const Reader& train, TrainPlan& plan) {
  plan.resume = train["resume"];
  plan.resume_weights = train.existing("resume_from_checkpoint");
  if (plan.resume_weights.empty()) return;
  // The reference puts the prefix before every name, so it tells whose weights they are.
  std::string prefix = train.text("remove_prefix_in_ckpt");
  if (prefix.starts_with("pipe.")) prefix.erase(0, 5);
  prefix = prefix.substr(0, prefix.find('.'));
  plan.resume_role =
      role_named(train, "remove_prefix_in_ckpt", prefix.empty() ? "dit" : prefix, plan);
}

// --- Data --------------------------------------------------------------------------------------

void check_size(const Reader& train, const std::optional<int64_t>& size, const char* key,
                int64_t multiple) {
  if (!size || *size % multiple == 0) return;
  train.error(key, fmt::format("{} is not a multiple of {}", *size, multiple));
}

void read_data(const Reader& train, TrainPlan& plan) {
  DataPlan& data = plan.data;
  if (!train.given("dataset_base_path")) {
    train.error("dataset_base_path",
                "not given; expected the folder of the pictures, or of a cache");
  }
  data.base_path = train.path("dataset_base_path");
  data.metadata_path = train.existing("dataset_metadata_path");
  data.where = train.place("dataset_metadata_path").text();
  const bool cache = plan.stage == Stage::Train;
  if (!cache && data.metadata_path.empty()) {
    train.error(
        "dataset_metadata_path",
        "not given; expected a .csv, .json or .jsonl file with the columns image and prompt");
  }
  if (cache && !data.metadata_path.empty()) {
    train.warn("dataset_metadata_path", "not read: this task reads the cache in dataset_base_path");
    data.metadata_path.clear();
  }
  if (cache && !data.base_path.empty()) train.existing("dataset_base_path");

  data.repeat = train.integer("dataset_repeat");
  data.num_workers = train.integer("dataset_num_workers");
  data.file_keys = train.list("data_file_keys");
  data.extra_inputs = train.list("extra_inputs");
  if (train.given("height") != train.given("width")) {
    train.error(train.given("height") ? "height" : "width",
                "height and width come together; without both, max_pixels decides");
  }
  if (train.given("height")) data.height = train.integer("height");
  if (train.given("width")) data.width = train.integer("width");
  data.max_pixels = train.integer("max_pixels");
  if (plan.pipeline.variant && plan.pipeline.variant->limits.is_object()) {
    data.size_multiple = plan.pipeline.variant->limits.value("size_multiple", data.size_multiple);
  }
  check_size(train, data.height, "height", data.size_multiple);
  check_size(train, data.width, "width", data.size_multiple);
  data.batch_size = train.integer("batch_size");
  data.bucket_by_caption = train["bucket_by_caption"];
  data.caption_dropout = train["caption_dropout"];
  data.on_error = train.text("on_error") == "skip" ? OnError::Skip : OnError::Stop;
  data.seed = plan.seed;
  data.validation_split = train["validation_split"];
  if (plan.stage == Stage::DataProcess) {  // each row once, in order
    data.shuffle = false;
    data.repeat = 1;
    data.batch_size = 1;
    data.caption_dropout = 0;
    data.validation_split = 0;
  }
  for (const std::string& input : data.extra_inputs) {
    const bool picture = input.ends_with("image") || input.ends_with("mask");
    if (!picture || std::ranges::find(data.file_keys, input) != data.file_keys.end()) continue;
    train.error("extra_inputs",
                fmt::format("\"{0}\" names pictures, so data_file_keys needs it, too: "
                            "\"{1},{0}\"",
                            input, fmt::join(data.file_keys, ",")));
  }
}

// --- Steps and results -------------------------------------------------------------------------

void read_optimizer(const Reader& train, TrainPlan& plan) {
  OptimizerPlan& optimizer = plan.optimizer;
  optimizer.learning_rate = train["learning_rate"];
  optimizer.weight_decay = train["weight_decay"];
  optimizer.beta1 = train["adam_beta1"];
  optimizer.beta2 = train["adam_beta2"];
  optimizer.eps = train["adam_epsilon"];
  optimizer.max_grad_norm = train["max_grad_norm"];
  optimizer.ema_decay = train["ema_decay"];
  optimizer.offload_states = train["enable_optimizer_cpu_offload"];
  const std::string name = train.text("customized_optimizer");
  const bool eight_bit = name == "bitsandbytes.optim.AdamW8bit";
  if (!name.empty() && !eight_bit && name != "torch.optim.AdamW") {
    train.error(
        "customized_optimizer",
        fmt::format("\"{}\" is not there; expected torch.optim.AdamW or "
                    "bitsandbytes.optim.AdamW8bit (the same as optimizer_states = \"8bit\")",
                    name),
        Status::NotSupported);
  }
  const bool bits8 = eight_bit || train.text("optimizer_states") == "8bit";
  optimizer.states = bits8 ? OptimizerPlan::States::Bits8 : OptimizerPlan::States::F32;

  const std::string shape = train.text("lr_scheduler");
  plan.schedule.shape = shape == "constant" ? SchedulePlan::Shape::Constant
                        : shape == "linear" ? SchedulePlan::Shape::Linear
                        : shape == "cosine" ? SchedulePlan::Shape::Cosine
                                            : SchedulePlan::Shape::Reference;
  plan.schedule.warmup_steps = train.integer("lr_warmup_steps");
  plan.schedule.min_ratio = train["lr_min_ratio"];
}

void read_steps(const Reader& train, TrainPlan& plan) {
  plan.num_epochs = train.integer("num_epochs");
  plan.max_steps = train.integer("max_steps");
  plan.gradient_accumulation_steps = train.integer("gradient_accumulation_steps");
  const bool offloaded = train["use_gradient_checkpointing_offload"];
  const bool blocks = train["use_gradient_checkpointing"];
  plan.checkpointing = offloaded ? TrainPlan::Checkpointing::BlocksOffloaded
                       : blocks  ? TrainPlan::Checkpointing::Blocks
                                 : TrainPlan::Checkpointing::None;
  plan.parameter_dtype = train.text("trainable_dtype");
  plan.shard = static_cast<int32_t>(train.integer("zero_stage"));
  constexpr int32_t kMostShared = 2;
  if (plan.shard > kMostShared && base::launch_of_environment()) {
    train.error(
        "zero_stage",
        "3 with several workers: the values of trained weights stay whole on all of them. Use "
        "2; frozen weights stay on disk with [memory] policy = \"stream\"",
        Status::NotSupported);
  }
  plan.teacher_steps = train.integer("teacher_steps");
  plan.student_steps = train.integer("student_steps");
  plan.teacher_cfg_scale = train["teacher_cfg_scale"];
  plan.vae_edge_weight = train["vae_edge_weight"];
  plan.vae_kl_weight = train["vae_kl_weight"];
}

fs::path default_output(const std::string& name) {
  return fs::current_path() / "models" / "train" / fs::path(name).stem();
}

void read_results(const Reader& train, TrainPlan& plan) {
  plan.output_path =
      train.given("output_path") ? train.path("output_path") : default_output(plan.name);
  if (fs::exists(plan.output_path) && !fs::is_directory(plan.output_path)) {
    train.error("output_path",
                fmt::format("\"{}\" is a file; expected a folder", plan.output_path.string()));
  }
  plan.remove_prefix_in_ckpt = train.text("remove_prefix_in_ckpt");
  plan.save_dtype = train.text("save_dtype");
  plan.save_steps = train.integer("save_steps");
  plan.keep_states = train.integer("keep_states");
  plan.sample_steps = train.integer("sample_steps");
  plan.validation_steps = train.integer("validation_steps");
  plan.log_steps = train.integer("log_steps");
  plan.tensorboard = train["enable_tensorboard_log"];
  plan.csv = train["enable_csv_log"];
  if (plan.validation_steps > 0 && plan.data.validation_split <= 0) {
    train.error("validation_steps", "no rows are held out; set validation_split, such as 0.05");
  }
}

/// The pictures that are made on the way. Without a seed they would differ for no reason.
void read_samples(const Reader& train, TrainPlan& plan) {
  if (plan.sample_steps == 0) return;
  if (!plan.pipeline.generate.contains("prompt")) {
    return train.error("sample_steps", "there is no prompt in [generate] to make pictures of");
  }
  const json seed = plan.pipeline.generate.contains("seed") ? json::object() : json{{"seed", 0}};
  try {
    plan.samples =
        std::make_shared<const runtime::GenerateRequest>(resolve_request(plan.pipeline, seed));
  } catch (const Error& error) {
    train.error("sample_steps", error.what(), error.status());
  }
}

/// A distilled model that is trained plainly draws blurred or grey pictures in its few steps.
void warn_of_plain_training(const Reader& train, const TrainPlan& plan) {
  const registry::VariantInfo* variant = plan.pipeline.variant;
  if (!variant || !variant->limits.is_object() || plan.loss != Loss::FlowMatching) return;
  if (plan.stage == Stage::DataProcess || plan.preset_lora) return;
  const bool denoiser =
      (plan.lora && plan.lora->role == "denoiser") ||
      std::ranges::find(plan.trainable, "denoiser", &TrainablePart::role) != plan.trainable.end();
  const json steps = variant->limits.value("distilled_steps", json());
  if (!denoiser || !steps.is_number()) return;
  train.warn(
      "task",
      fmt::format("variant \"{}\" is distilled to {} steps without guidance, and plain training "
                  "loses that. Draw with num_inference_steps = 30 and cfg_scale = 2 afterwards, "
                  "or train with preset_lora_path (a training adapter), or imitate "
                  "trajectories afterwards (task = \"trajectory_imitation\"), or add a "
                  "distillation LoRA when drawing",
                  variant->name, steps.dump()));
}

// --- The pipeline ------------------------------------------------------------------------------

/// Roles whose files this task does not read. From a cache only what is trained is computed, and
/// encoding needs no denoiser.
CheckOptions pipeline_options(const std::string& task, const Node& train) {
  const auto texts = [&](const char* key) {
    const Node* node = train.find(key);
    return node ? split_list(node->json()) : std::vector<std::string>{};
  };
  std::set<std::string> trained;
  for (const std::string& name : texts("trainable_models")) {
    trained.insert(role_of_attribute(name.substr(0, name.find('.'))));
  }
  for (const std::string& name : texts("lora_base_model")) trained.insert(role_of_attribute(name));
  const Node* init = train.find("controlnet_init");
  const bool new_controlnet = init && init->scalar == "base";
  const bool samples = train.find("sample_steps") && train.find("sample_steps")->scalar != 0;

  CheckOptions options;
  options.tables = {{"train", train_params()}};
  options.may_lack_files = [=](const registry::Role& role) {
    if (new_controlnet && role.kind == "controller") return true;
    if (task.ends_with(":data_process"))
      return role.kind == "denoiser" || role.kind == "controller";
    const bool computed =
        role.kind == "denoiser" || role.kind == "controller" || trained.contains(role.name);
    if (task.ends_with(":train")) return !computed && !samples;
    return task == "vae" && role.kind != "codec" && !samples;
  };
  return options;
}

bool lacks_files(const ComponentPlan& component) {
  if (component.info->pattern) return !component.weights;
  return find_param(component.info->params, "path") && !component.values.contains("path");
}

/// ControlNets that begin as a copy of the denoiser's blocks.
void read_untrained(const Reader& train, const Node& document, TrainPlan& plan) {
  if (train.text("controlnet_init") != "base") return;
  const Node* components = document.find("components");
  bool any = false;
  for (const ComponentPlan& component : plan.pipeline.components) {
    if (component.info->kind != "controller") continue;
    any = true;
    const Node* table = components ? components->find(component.role) : nullptr;
    if (table && (table->find("path") || table->find("model_id"))) {
      train.error("controlnet_init",
                  fmt::format("\"base\" begins with an untrained {0}, but [components.{0}] names "
                              "its files; leave one of them out",
                              component.role));
    } else if (plan.stage != Stage::DataProcess &&
               std::ranges::find(plan.trainable, component.role, &TrainablePart::role) ==
                   plan.trainable.end()) {
      train.error("controlnet_init",
                  fmt::format("an untrained {0} adds nothing to a picture; train "
                              "it with trainable_models = \"{0}\"",
                              component.role));
    } else {
      plan.untrained_roles.push_back(component.role);
    }
  }
  if (!any && plan.pipeline.variant) {
    train.error("controlnet_init",
                fmt::format("variant \"{}\" has no ControlNet", plan.pipeline.variant->name));
  }
}

std::string task_of(const Node& train) {
  const Node* task = train.find("task");
  return task && task->type == NodeType::Text ? task->scalar.get<std::string>() : "sft";
}

TrainPlan check_or_throw(const Node& document, std::shared_ptr<registry::Registry> registry,
                         const std::string& name) {
  Problems problems;
  TrainPlan plan = check_recipe(document, std::move(registry), name, problems);
  problems.throw_if_any();
  for (const Problem& problem : problems.sorted()) plan.warnings.push_back(problem.line());
  return plan;
}

}  // namespace

bool is_recipe(const Node& document) { return document.find("train") != nullptr; }

Node apply_train_overrides(Node document, std::span<const std::string> overrides) {
  return apply_overrides(std::move(document), overrides, [](std::string_view key) {
    return find_param(train_params(), key) ? "train" : "generate";
  });
}

TrainPlan check_recipe(const Node& document, std::shared_ptr<registry::Registry> registry,
                       const std::string& name, Problems& problems,
                       std::vector<models::ModelRef>* missing) {
  TrainPlan plan;
  plan.name = name;
  const Node* table = document.find("train");
  if (!table || table->type != NodeType::Table) {
    problems.error(table ? table->place : document.place,
                   "train: expected a table [train] with dataset_base_path and so on");
    return plan;
  }
  Node pipeline = document;
  const std::vector<NamedModel> models = add_named_models(pipeline, *registry, missing, problems);
  std::erase_if(pipeline.children, [](const Node& child) { return child.key == "train"; });
  CheckOptions options = pipeline_options(task_of(*table), *table);
  options.missing = missing;
  plan.pipeline = check_document(pipeline, registry, name, problems, options);

  Vocabulary vocabulary;
  vocabulary.add("train", train_params());
  vocabulary.add("generate", generate_params());
  Node readable = *table;  // model_paths was read above; its lists of lists fit no parameter
  std::erase_if(readable.children, [](const Node& child) { return child.key == "model_paths"; });
  const Reader train(*table, read_table(readable, "train", train_params(), &vocabulary, problems),
                     problems);
  tell_remarks(train);
  plan.seed = train.integer("seed");
  read_task(train, plan);
  read_trained(train, plan);
  read_untrained(train, pipeline, plan);
  for (const ComponentPlan& component : plan.pipeline.components) {
    const bool untrained =
        std::ranges::find(plan.untrained_roles, component.role) != plan.untrained_roles.end();
    if (!untrained && lacks_files(component)) plan.absent_roles.push_back(component.role);
  }
  read_resume(train, plan);
  read_training_storage(train, models, options, plan);
  read_data(train, plan);
  read_optimizer(train, plan);
  read_steps(train, plan);
  read_results(train, plan);
  if (!problems.any_error()) read_samples(train, plan);
  warn_of_plain_training(train, plan);
  plan.arguments = resolved(train.values());
  plan.arguments["output_path"] = plan.output_path.string();
  return plan;
}

TrainPlan load_recipe(std::shared_ptr<registry::Registry> registry, const fs::path& path,
                      std::span<const std::string> overrides) {
  const Node document = apply_train_overrides(load_document(path), overrides);
  return check_or_throw(document, std::move(registry), path.string());
}

TrainPlan load_recipe_text(std::shared_ptr<registry::Registry> registry, std::string_view text,
                           const std::string& name, const fs::path& folder,
                           std::span<const std::string> overrides) {
  const Node document = apply_train_overrides(load_document_text(text, name, folder), overrides);
  return check_or_throw(document, std::move(registry), name);
}

}  // namespace gesso::config
