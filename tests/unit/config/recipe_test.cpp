// Recipes: what they mean, and every way to be wrong.
#include "engine/config/recipe.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

#include "engine/config/recipe_arguments.hpp"
#include "engine/config/recipe_models.hpp"
#include "engine/config/recipe_params.hpp"
#include "engine/config/schema.hpp"
#include "runtime/runtime.hpp"
#include "workshop.hpp"

using namespace gesso::config;
using gesso::test::error_of;
using gesso::test::kWorking;
using gesso::test::replaced;
using gesso::test::Workshop;
using nlohmann::json;

namespace {

/// What a test appends begins on line 14.
const std::string kRecipe = kWorking + R"([train]
dataset_base_path = "data"
dataset_metadata_path = "data/metadata.csv"
lora_base_model = "dit"
)";

struct Shop : Workshop {
  Shop() { write("data/metadata.csv", "image,prompt\n"); }
  TrainPlan recipe(const std::string& text, const std::vector<std::string>& overrides = {}) const {
    return load_recipe_text(registry(), text, "style.toml", folder(), overrides);
  }
  std::string wrong(const std::string& text, const std::vector<std::string>& overrides = {}) const {
    return replaced(error_of([&] { recipe(text, overrides); }), folder().string(), "FOLDER");
  }
};

}  // namespace

TEST_CASE("schemas/recipe.schema.json is what the code generates") {
  const std::filesystem::path path = GESSO_SOURCE_DIR "/schemas/recipe.schema.json";
  const std::string text = recipe_schema(nullptr).dump(2) + "\n";
  if (std::getenv("GESSO_UPDATE")) std::ofstream(path) << text;
  std::ifstream file(path);
  const std::string committed{std::istreambuf_iterator<char>(file), {}};
  CHECK_MESSAGE(committed == text,
                "schemas/recipe.schema.json is out of date; run this test with GESSO_UPDATE=1 in "
                "the environment to write it anew, and commit it");
}

TEST_CASE("a recipe is read with the reference's defaults") {
  const Shop shop;
  const TrainPlan plan = shop.recipe(kRecipe);
  CHECK(plan.loss == Loss::FlowMatching);
  CHECK(plan.stage == Stage::Whole);
  CHECK(plan.optimizer.learning_rate == 1e-4);
  CHECK(plan.optimizer.weight_decay == 0.01);
  CHECK(plan.num_epochs == 1);
  CHECK(plan.save_steps == 0);
  CHECK(plan.remove_prefix_in_ckpt == "pipe.dit.");
  CHECK(plan.data.max_pixels == 1048576);
  CHECK(plan.data.file_keys == std::vector<std::string>{"image", "video"});
  REQUIRE(plan.lora);
  CHECK(plan.lora->role == "denoiser");
  CHECK(plan.lora->attribute == "dit");
  CHECK(plan.lora->rank == 32);
  CHECK(plan.lora->targets.rule == LoraTargets::Rule::Auto);
  CHECK(plan.trainable.empty());
  CHECK(plan.pipeline.components.size() == 6);
  CHECK(plan.output_path == std::filesystem::current_path() / "models/train/style");
  CHECK(plan.arguments["learning_rate"] == 1e-4);
  CHECK(plan.arguments.size() == train_params().size());
}

TEST_CASE("every key reaches the plan") {
  const Shop shop;
  shop.write("style.safetensors", "x");
  const TrainPlan plan = shop.recipe(kWorking + R"([generate]
prompt = ["a key", "a cup"]
[train]
dataset_base_path = "data"
dataset_metadata_path = "data/metadata.csv"
dataset_repeat = 50
dataset_num_workers = 8
data_file_keys = "image,edit_image"
extra_inputs = ["edit_image", "seed"]
trainable_models = "dit,text_encoder.layers"
preset_lora_path = "style.safetensors"
preset_lora_model = "dit"
resume_from_checkpoint = "style.safetensors"
learning_rate = 1e-5
num_epochs = 3
weight_decay = 0
output_path = "out"
remove_prefix_in_ckpt = "pipe.text_encoder."
save_steps = 10
use_gradient_checkpointing = true
gradient_accumulation_steps = 4
height = 64
width = 32
enable_csv_log = true
enable_tensorboard_log = true
batch_size = 2
seed = 7
max_steps = 100
caption_dropout = 0.1
on_error = "skip"
lr_scheduler = "cosine"
lr_warmup_steps = 5
lr_min_ratio = 0.1
max_grad_norm = 1
ema_decay = 0.999
optimizer_states = "8bit"
trainable_dtype = "bf16"
zero_stage = 2
validation_split = 0.1
validation_steps = 20
sample_steps = 25
resume = true
keep_states = 2
)");
  CHECK(plan.data.repeat == 50);
  CHECK(plan.data.num_workers == 8);
  CHECK(plan.data.extra_inputs == std::vector<std::string>{"edit_image", "seed"});
  REQUIRE(plan.trainable.size() == 2);
  CHECK(plan.trainable[0].role == "denoiser");
  CHECK(plan.trainable[1].part == "layers");
  CHECK_FALSE(plan.lora);
  REQUIRE(plan.preset_lora);
  CHECK(plan.preset_lora->role == "denoiser");
  CHECK(plan.preset_lora->path == shop.folder() / "style.safetensors");
  CHECK(plan.resume_role == "text_encoder");
  CHECK(plan.output_path == shop.folder() / "out");
  CHECK(plan.checkpointing == TrainPlan::Checkpointing::Blocks);
  CHECK(plan.data.height == 64);
  CHECK(plan.data.on_error == OnError::Skip);
  CHECK(plan.data.seed == 7);
  CHECK(plan.schedule.shape == SchedulePlan::Shape::Cosine);
  CHECK(plan.schedule.min_ratio == 0.1);
  CHECK(plan.optimizer.states == OptimizerPlan::States::Bits8);
  CHECK(plan.optimizer.max_grad_norm == 1.0);
  CHECK(plan.shard == 2);
  CHECK(plan.keep_states == 2);
  CHECK(plan.resume);
  REQUIRE(plan.samples);
  CHECK(plan.samples->prompts.size() == 2);
  CHECK(plan.samples->seeds == std::vector<uint64_t>{0, 0});
}

TEST_CASE("overrides without a table mean [train] where it has the key") {
  const Shop shop;
  const TrainPlan plan =
      shop.recipe(kRecipe, {"learning_rate=2e-5", "prompt=a key", "train.num_epochs=2"});
  CHECK(plan.optimizer.learning_rate == 2e-5);
  CHECK(plan.num_epochs == 2);
  CHECK(plan.pipeline.generate["prompt"] == json{"a key"});
}

TEST_CASE("targets of a LoRA") {
  const Shop shop;
  const auto targets = [&](const std::string& value) {
    return shop.recipe(kRecipe + "lora_target_modules = " + value).lora->targets;
  };
  CHECK(targets("\"\"").rule == LoraTargets::Rule::Auto);
  CHECK(targets("\"to_q,to_k\"").names == std::vector<std::string>{"to_q", "to_k"});
  CHECK(targets("[\"to_q\", \"to_k\"]").rule == LoraTargets::Rule::Names);
  // A single name is one, though PEFT would match it against whole names.
  CHECK(targets("\"to_q\"").rule == LoraTargets::Rule::Names);
  CHECK(targets("\"to_out.0\"").rule == LoraTargets::Rule::Names);
  CHECK(targets("'layers\\..*\\.to_q'").rule == LoraTargets::Rule::Pattern);
  CHECK(targets("\"all-linear\"").rule == LoraTargets::Rule::AllLinear);
}

TEST_CASE("what is wrong is told with its place") {
  const Shop shop;
  const std::pair<const char*, const char*> faults[] = {
      {"learning_rat = 1",
       "style.toml:14:1: unknown key \"learning_rat\" in [train]; did you mean "
       "\"learning_rate\"?"},
      {"learning_rate = \"x\"",
       "style.toml:14:17: train.learning_rate: expected a number, found the "
       "text \"x\""},
      {"task = \"sfd\"", "style.toml:14:8: train.task: \"sfd\" is not one of"},
      {"height = 64",
       "style.toml:14:10: train.height: height and width come together; without both, "
       "max_pixels decides"},
      {"height = 65\nwidth = 64", "style.toml:14:10: train.height: 65 is not a multiple of 16"},
      {"trainable_models = \"dot\"",
       "style.toml:14:20: train.trainable_models: variant \"Tiny Turbo\" "
       "has no model \"dot\""},
      {"lora_checkpoint = \"none.safetensors\"",
       "style.toml:14:19: train.lora_checkpoint: there is no file \"FOLDER/none.safetensors\""},
      {"enable_wandb_log = true", "style.toml:14:20: train.enable_wandb_log: Gesso sends nothing"},
      {"customized_optimizer = \"lion\"",
       "style.toml:14:24: train.customized_optimizer: \"lion\" is "
       "not there"},
      {"extra_inputs = \"controlnet_image\"",
       "style.toml:14:16: train.extra_inputs: \"controlnet_image\" names pictures, so "
       "data_file_keys "
       "needs it, too: \"image,video,controlnet_image\""},
      {"validation_steps = 3", "style.toml:14:20: train.validation_steps: no rows are held out"},
      {"sample_steps = 3",
       "style.toml:14:16: train.sample_steps: there is no prompt in [generate]"},
      {"fp8_models = \"dot\"", "style.toml:14:14: train.fp8_models: \"dot\" is neither a model"},
      {"fp8_models = \"dit\"\ntrainable_models = \"dit\"",
       "style.toml:15:20: train.trainable_models: the weights of dit are kept as fp8"},
      {"quant_options = \"dit:int3\"", "style.toml:14:17: train.quant_options: \"int3\""},
      {"quant_options = \"dit:nf4\"\nfp8_models = \"dit\"",
       "style.toml:14:17: train.quant_options: the weights of \"denoiser\" are to be kept as "
       "fp8_e4m3 already"},
      {"offload_models = \"text_encoder\"",
       "style.toml:14:18: train.offload_models: this task computes with \"text_encoder\""},
      {"model_id_with_origin_paths = \"nothing\"",
       "style.toml:14:30: train.model_id_with_origin_paths: \"nothing\": expected "
       "\"model:pattern\""},
  };
  for (const auto& [appended, message] : faults) {
    CAPTURE(appended);
    const std::string told = shop.wrong(kRecipe + appended);
    CAPTURE(told);
    CHECK(told.starts_with(message));
  }
}

TEST_CASE("a recipe needs data and something to train") {
  const Shop shop;
  CHECK(shop.wrong(kWorking + "[train]\nlora_base_model = \"dit\"\n") ==
        "style.toml:10:1: train.dataset_base_path: not given; expected the folder of the pictures, "
        "or "
        "of a cache\n"
        "style.toml:10:1: train.dataset_metadata_path: not given; expected a .csv, .json or .jsonl "
        "file "
        "with the columns image and prompt");
  CHECK(shop.wrong(replaced(kRecipe, "lora_base_model = \"dit\"\n", ""))
            .find("nothing is trained; set lora_base_model") != std::string::npos);
  CHECK(shop.problem(kRecipe).find("this file is a recipe, which `gesso train` reads") !=
        std::string::npos);
}

TEST_CASE("keys that mean nothing here are remarks") {
  const Shop shop;
  const TrainPlan plan =
      shop.recipe(kRecipe + "enable_npu_patch = true\nfind_unused_parameters = false\n");
  REQUIRE(plan.warnings.size() == 1);
  CHECK(plan.warnings[0].starts_with("style.toml:14:20: train.enable_npu_patch: not read: "));
}

TEST_CASE("plain training of a distilled variant is warned") {
  const Shop shop;
  CHECK(shop.recipe(kRecipe).warnings.empty());
  std::ofstream(shop.folder() / "plugins/tiny.variant.toml", std::ios::app)
      << "\ndistilled_steps = 8\n";
  const auto warnings = shop.recipe(kRecipe).warnings;
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].starts_with(
      "style.toml:10:1: train.task: variant \"Tiny Turbo\" is distilled to 8 "
      "steps without guidance"));
  shop.write("preset.safetensors", "x");
  CHECK(shop.recipe(kRecipe + "preset_lora_path = \"preset.safetensors\"\n").warnings.empty());
}

TEST_CASE("a task from a cache needs no encoders, encoding needs no denoiser") {
  const Shop shop;
  std::filesystem::create_directories(shop.folder() / "cache");
  const std::string denoiser =
      "variant = \"tiny\"\n[components.denoiser]\npath = \"denoiser.safetensors\"\n";
  const TrainPlan train = shop.recipe(
      denoiser +
      "[train]\ntask = \"sft:train\"\ndataset_base_path = \"cache\"\nlora_base_model = \"dit\"\n");
  CHECK(train.stage == Stage::Train);
  CHECK(train.absent_roles == std::vector<std::string>{"codec", "text_encoder", "tokenizer"});
  const TrainPlan process = shop.recipe(
      replaced(kRecipe, "[components.denoiser]\npath = \"denoiser.safetensors\"\n", "") +
      "task = \"sft:data_process\"\nbatch_size = 4\ndataset_repeat = 9\n");
  CHECK(process.absent_roles == std::vector<std::string>{"denoiser"});
  CHECK(process.data.batch_size == 1);
  CHECK(process.data.repeat == 1);
  CHECK_FALSE(process.data.shuffle);
}

TEST_CASE("task vae trains the codec and needs nothing else") {
  const Shop shop;
  const std::string codec = R"(variant = "tiny"
[components.codec]
path = "vae"
[train]
dataset_base_path = "data"
dataset_metadata_path = "data/metadata.csv"
task = "vae"
)";
  const TrainPlan plan = shop.recipe(codec + "vae_edge_weight = 0.1\nvae_kl_weight = 0\n");
  CHECK(plan.loss == Loss::Reconstruction);
  REQUIRE(plan.trainable.size() == 1);
  CHECK(plan.trainable[0].role == "codec");
  CHECK(plan.vae_edge_weight == 0.1);
  CHECK(plan.vae_kl_weight == 0);
  CHECK(plan.absent_roles == std::vector<std::string>{"denoiser", "text_encoder", "tokenizer"});
  CHECK(shop.wrong(codec + "lora_base_model = \"dit\"\n").find("vae trains the vae alone") !=
        std::string::npos);
}

TEST_CASE("model_paths become components by their content") {
  const Shop shop;
  const TrainPlan plan = shop.recipe(R"(variant = "tiny"
[components.tokenizer]
path = "tokenizer.json"
[train]
model_paths = ["text_encoder.safetensors", ["denoiser.safetensors"], "vae"]
fp8_models = "text_encoder.safetensors"
quant_options = 'denoiser.safetensors:bitsandbytes_nf4;dit:x_fp8/to_q,to_k'
dataset_base_path = "data"
dataset_metadata_path = "data/metadata.csv"
lora_base_model = "dit"
)",
                                     {"quant_options=dit:bitsandbytes_nf4/to_q,to_k"});
  CHECK(plan.pipeline.component("denoiser")->files.size() == 1);
  CHECK(plan.pipeline.component("codec")->weights);
  CHECK(plan.pipeline.component("text_encoder")->storage.format == "fp8_e4m3");
  const auto& storage = plan.pipeline.component("denoiser")->storage;
  CHECK(storage.format == "bitsandbytes_nf4");
  CHECK(storage.exclude_modules == std::vector<std::string>{"to_q", "to_k"});
}

TEST_CASE("formats that multiply int8 numbers become such that have gradients") {
  const Shop shop;
  const TrainPlan plan = shop.recipe(kRecipe + "quant_options = \"dit:torchao_int8_w8a8\"\n");
  CHECK(plan.pipeline.component("denoiser")->storage.format == "int8_row");
  REQUIRE(plan.warnings.size() == 1);
  CHECK(plan.warnings[0].find("no gradients") != std::string::npos);
  const std::string own = replaced(kRecipe, "path = \"denoiser.safetensors\"",
                                   "path = \"denoiser.safetensors\"\nstorage = \"int8_w8a8\"");
  CHECK(shop.wrong(own).find("storage = \"int8_row\"") != std::string::npos);
}

TEST_CASE("what a task does not compute can be left out") {
  const Shop shop;
  const TrainPlan plan = shop.recipe(replaced(kRecipe, "lora_base_model = \"dit\"\n", "") +
                                     "task = \"sft:data_process\"\noffload_models = \"dit\"\n");
  CHECK(plan.absent_roles == std::vector<std::string>{"denoiser"});
}

TEST_CASE("names of models split at the last colon") {
  CHECK(split_model("a:b/c:d/*.safetensors").model_id == "a:b/c");
  CHECK(split_model("a/b:").pattern.empty());
  CHECK(split_list(json{"a, b", "c"}) == std::vector<std::string>{"a", "b", "c"});
  CHECK(split_list(json("")).empty());
}

TEST_CASE("shell scripts fall into words") {
  const auto commands = shell_commands(
      "# a comment\nA=1 run --x \"a \\\"b\\\" c\" 'd e' \\\n  --y=f#g # more\nnext; last \"\"\n");
  REQUIRE(commands.size() == 3);
  CHECK(commands[0] ==
        std::vector<std::string>{"A=1", "run", "--x", "a \"b\" c", "d e", "--y=f#g"});
  CHECK(commands[1] == std::vector<std::string>{"next"});
  CHECK(commands[2] == std::vector<std::string>{"last", ""});
}

TEST_CASE("a command line becomes a recipe") {
  const Shop shop;
  const auto registry = shop.registry();
  const auto recipe = recipe_of_arguments(
      "modelscope download x\naccelerate launch --num_processes 8 a/train.py --dataset_base_path "
      "data "
      "--learning_rate 1e-5 --lora_base_model dit --use_gradient_checkpointing "
      "--data_file_keys \"image,mask\" --num_epochs 2 --enable_npu_patch",
      *registry);
  CHECK(recipe.toml.find(
            "[train]\ndataset_base_path = \"data\"\ndata_file_keys = [\"image\", \"mask\"]\n"
            "learning_rate = 1e-05\nnum_epochs = 2\nlora_base_model = \"dit\"\n"
            "use_gradient_checkpointing = true\nenable_npu_patch = true\n") != std::string::npos);
  const std::string notes = json(recipe.notes).dump();
  CHECK(notes.find("torchrun --nproc-per-node 8") != std::string::npos);
  CHECK(notes.find("matches nothing in this family") != std::string::npos);

  const auto wrong = [&](const std::string& text) {
    return error_of([&] { recipe_of_arguments(text, *registry); });
  };
  CHECK(wrong("train.py --learning_rat 1") ==
        "train.py has no argument --learning_rat; did you mean \"learning_rate\"?");
  CHECK(wrong("train.py --learning_rate x") == "--learning_rate x: expected a number");
  CHECK(wrong("train.py --learning_rate") == "--learning_rate has no value");
  CHECK(wrong("train.py x") == "\"x\" is no argument of train.py");
  CHECK(wrong("ls").starts_with("there is no command with train.py"));
  CHECK(wrong("train.py \"x") == "the quote before \"x\" does not close");
  CHECK(wrong("train.py\ntrain.py").starts_with("2 commands"));
}
