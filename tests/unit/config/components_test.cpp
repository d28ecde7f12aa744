// Components: who fills a role, with which values, from which files.
#include <doctest/doctest.h>

#include "engine/config/component_files.hpp"
#include "engine/weights/safetensors_writer.hpp"
#include "workshop.hpp"

using gesso::test::error_of;
using gesso::test::kWorking;
using gesso::test::replaced;
using gesso::test::Workshop;
using nlohmann::json;
namespace fs = std::filesystem;

TEST_CASE("each role is filled by the variant's component, with presets and files") {
  const Workshop shop;
  const auto plan = shop.load(kWorking);
  CHECK(plan.components.size() == 6);
  CHECK(plan.component("memory_policy") == nullptr);

  const auto* denoiser = plan.component("denoiser");
  REQUIRE(denoiser);
  CHECK(denoiser->info->id == "org.test.denoiser");
  CHECK(denoiser->where == "emoji.toml:2:1");
  CHECK(denoiser->dtype == "bf16");
  CHECK(denoiser->values == json{{"attention", "fused"}});
  CHECK(denoiser->files == std::vector<fs::path>{shop.folder() / "denoiser.safetensors"});
  CHECK(denoiser->weights->match().exact());
  CHECK(denoiser->config.is_null());

  CHECK(plan.component("scheduler")->where == "emoji.toml:1:11");
  CHECK(plan.component("scheduler")->weights == nullptr);
  CHECK(plan.component("tokenizer")->values ==
        json{{"path", (shop.folder() / "tokenizer.json").string()}});
}

TEST_CASE("config.json beside the weights becomes one level of values") {
  const Workshop shop;
  const json config = shop.load(kWorking).component("codec")->config;
  CHECK(config["latent_channels"] == 16);
  CHECK(config["block_out_channels"].is_array());

  shop.write("model/config.json", R"({"a": {"b": 1, "c": null}, "d": [1, {"e": 2}], "f": ["x"]})");
  CHECK(gesso::config::read_flat_config(shop.folder() / "model") == json{{"a.b", 1}, {"f", {"x"}}});
}

TEST_CASE("a damaged config.json is told with the path that led there") {
  const Workshop shop;
  shop.write("vae/config.json", "{\"latent_channels\": ");
  CHECK(shop.problem(kWorking) ==
        "emoji.toml:5:8: components.codec.path: FOLDER/vae/config.json: expected a JSON object, as "
        "the file beside the weights of a model; is it damaged or only half copied?");
}

TEST_CASE("the compute type of a component is its own, else the file's") {
  const Workshop shop;
  const auto plan =
      shop.load("dtype = \"f32\"\n" + kWorking + "[components.scheduler]\ndtype = \"bf16\"\n");
  CHECK(plan.component("denoiser")->dtype == "f32");
  CHECK(plan.component("scheduler")->dtype == "bf16");
}

TEST_CASE("a role can be filled by another component of its kind") {
  const Workshop shop;
  const auto plan = shop.load(kWorking + R"([components.scheduler]
id = "org.test.linear_scheduler"
[components.memory_policy]
id = "org.test.policy"
)");
  CHECK(plan.component("scheduler")->info->id == "org.test.linear_scheduler");
  CHECK(plan.component("memory_policy")->info->id == "org.test.policy");
}

TEST_CASE("run parameters are those of the components that are chosen") {
  const Workshop shop;
  CHECK(shop.problem(kWorking + R"([components.scheduler]
id = "org.test.linear_scheduler"
[generate]
sigma_shift = 3
)")
            .starts_with(
                "emoji.toml:13:1: unknown key \"sigma_shift\" in [generate]; expected one of "));
}

TEST_CASE("a role that cannot be filled is told at its place") {
  const Workshop shop;
  CHECK(shop.problem(kWorking + "[components.schedular]\n") ==
        "emoji.toml:10:13: variant \"Tiny Turbo\" has no component \"schedular\"; did you mean "
        "\"scheduler\"?");
  CHECK(shop.problem(kWorking + "[components.upscaler]\n") ==
        "emoji.toml:10:13: variant \"Tiny Turbo\" has no component \"upscaler\"; it has codec, "
        "composer, denoiser, memory_policy, scheduler, text_encoder, tokenizer");
  CHECK(shop.problem(kWorking + "[components.scheduler]\nid = \"org.test.codec\"\n") ==
        "emoji.toml:11:6: components.scheduler.id: expected a component of kind \"scheduler\", "
        "found org.test.codec of kind \"codec\"");
  CHECK(shop.problem(kWorking + "[components.scheduler]\nid = \"org.test.schedulr\"\n")
            .starts_with("emoji.toml:11:6: components.scheduler.id: no component "
                         "\"org.test.schedulr\"; did you mean \"org.test.scheduler\"?"));
  CHECK(shop.problem(kWorking + "[components.scheduler]\nid = 3\n") ==
        "emoji.toml:11:6: components.scheduler.id: expected a text, found the integer 3");
  CHECK(shop.problem(kWorking + "[components.memory_policy]\n") ==
        "emoji.toml:10:1: variant \"Tiny Turbo\" leaves the choice of its memory_policy open; set "
        "components.memory_policy.id to a component of kind \"memory_policy\"");
  CHECK(shop.problem("components.scheduler = 3\n" + kWorking) ==
        "emoji.toml:1:24: components.scheduler: expected a table, found the integer 3");
  CHECK(shop.problem("variant = \"tiny\"\ncomponents = 3\n") ==
        "emoji.toml:2:14: components: expected a table for each role, found the integer 3");
  CHECK(shop.problem("variant = \"faulty\"\n[components.denoiser]\n")
            .starts_with("emoji.toml:2:1: variant \"Faulty\" needs components.denoiser.id: no "
                         "component \"org.absent.denoiser\""));
}

TEST_CASE("all files that are needed and not given are listed at once") {
  const Workshop shop;
  CHECK(shop.problem("variant = \"Tiny Turbo\"\n[components.codec]\npath = \"vae\"\n") ==
        "emoji.toml:1:11: variant \"Tiny Turbo\" needs files that are not given: "
        "components.denoiser.path, components.text_encoder.path, components.tokenizer.path; set "
        "each to a file or folder");
}

TEST_CASE("files that are missing or of no use are told with the path that led there") {
  const Workshop shop;
  CHECK(shop.problem(replaced(kWorking, "denoiser.safetensors", "none.safetensors")) ==
        "emoji.toml:3:8: components.denoiser.path: FOLDER/none.safetensors: cannot be opened: No "
        "such file or directory");
  CHECK(shop.problem(replaced(kWorking, "tokenizer.json", "none.json")) ==
        "emoji.toml:9:8: components.tokenizer.path: there is no file or folder "
        "\"FOLDER/none.json\"");
  CHECK(shop.problem(kWorking + "[components.scheduler]\npath = \"x\"\n") ==
        "emoji.toml:11:1: components.scheduler.path: org.test.scheduler takes no files");
  CHECK(shop.problem(replaced(kWorking, "\"tokenizer.json\"", "[\"tokenizer.json\"]")) ==
        "emoji.toml:9:8: components.tokenizer.path: expected a text, found a list");
}

TEST_CASE("several problems of several components are all told") {
  const Workshop shop;
  const std::string text = replaced(replaced(kWorking, "denoiser.safetensors", "none.gguf"),
                                    "tokenizer.json", "none.json");
  CHECK(shop.problem(text) ==
        "emoji.toml:3:8: components.denoiser.path: FOLDER/none.gguf: cannot be opened: No such "
        "file or directory\n"
        "emoji.toml:9:8: components.tokenizer.path: there is no file or folder "
        "\"FOLDER/none.json\"");
}

TEST_CASE("weights of another component are named") {
  const Workshop shop;
  const std::string text = shop.problem(replaced(kWorking, "denoiser.safetensors", "vae"));
  CAPTURE(text);
  CHECK(
      text.starts_with("emoji.toml:3:8: components.denoiser.path: expected the weights of "
                       "org.test.denoiser; "));
  CHECK(text.find(": is org.test.codec (layout ") != std::string::npos);
  CHECK(text.find('\n') == std::string::npos);
}

TEST_CASE("sizes that two roles must share are held against each other") {
  const Workshop shop;
  std::ifstream file(shop.folder() / "plugins/tiny.variant.toml");
  const std::string variant{std::istreambuf_iterator<char>(file), {}};
  const auto with = [&](const std::string& same) {
    shop.write(
        "plugins/tiny.variant.toml",
        replaced(variant, "[roles.text_encoder]\n", "[roles.text_encoder]\nsame = " + same + "\n"));
    return shop.problem(kWorking);
  };
  CHECK(with("{ D = \"denoiser.head\" }") ==
        "emoji.toml:6:1: components.text_encoder: its weights have D = 48, but those of the "
        "denoiser have head = 16; are these files of two models?");
  CHECK(with("{ D = \"text_encoder.D\" }").empty());
  CHECK(with("{ D = \"denoiser.nothing\" }").empty());
}

TEST_CASE("weights that lack something are told with what is missing") {
  const Workshop shop;
  const auto set = gesso::weights::WeightSet::open(shop.folder() / "denoiser.safetensors");
  std::vector<gesso::weights::NamedTensor> tensors;
  for (const auto& tensor : set.tensors()) {
    if (tensor.name != "x_pad_token") tensors.push_back({tensor.name, set.view(tensor)});
  }
  gesso::weights::write_safetensors(shop.folder() / "cut.safetensors", tensors);
  const std::string text =
      shop.problem(replaced(kWorking, "denoiser.safetensors", "cut.safetensors"));
  CAPTURE(text);
  CHECK(
      text.starts_with("emoji.toml:3:8: components.denoiser.path: expected the weights of "
                       "org.test.denoiser; "));
  CHECK(text.find("missing: x_pad_token") != std::string::npos);
}

TEST_CASE("a list of files and a pattern are weights, too") {
  const Workshop shop;
  const auto plan =
      shop.load(replaced(kWorking, "\"denoiser.safetensors\"", "[\"denois*.safetensors\"]"));
  CHECK(plan.component("denoiser")->files ==
        std::vector<fs::path>{shop.folder() / "denoiser.safetensors"});
}

TEST_CASE("an override may name weights relative to the working folder") {
  const Workshop shop;
  const auto plan = shop.load(replaced(kWorking, "denoiser.safetensors", "none.safetensors"),
                              {"components.denoiser.path=" +
                               fs::relative(shop.folder() / "denoiser.safetensors").string()});
  CHECK(plan.component("denoiser")->files.size() == 1);
}

TEST_CASE("[memory] chooses the policy and gives it every setting; a component's own win") {
  const Workshop shop;
  const auto plan = shop.load(replaced(kWorking, "[components.codec]", R"([components.codec]
memory = { offload_device = "cpu", computation_dtype = "float32" })") +
                              R"([memory]
policy = "org.test.policy"
offload_device = "disk"
vram_limit = 3
)");
  const gesso::config::ComponentPlan& policy = *plan.component("memory_policy");
  CHECK(policy.info->id == "org.test.policy");
  CHECK(policy.values["offload_device"] == "disk");
  CHECK(policy.values["vram_limit"] == 3.0);
  CHECK(policy.values["roles"] == nlohmann::json{"codec"});
  CHECK(policy.values["codec.offload_device"] == "cpu");
  CHECK(plan.component("codec")->dtype == "f32");
  CHECK(plan.component("denoiser")->dtype == "bf16");
  CHECK_FALSE(plan.component("codec")->values.contains("memory"));
}

TEST_CASE("what is wrong in [memory] is told with its place") {
  const Workshop shop;
  CHECK(shop.problem(kWorking + "[memory]\npolicy = \"none\"\n") ==
        "emoji.toml:11:10: memory.policy: there is no memory policy \"none\"; there are "
        "org.test.policy");
  CHECK(shop.problem(kWorking + "[memory]\npolicy = \"org.test.policy\"\nonload_device = \"gpu\"\n")
            .find("emoji.toml:12:17: memory.onload_device: there is no device \"gpu\"") == 0);
  CHECK(shop.problem(kWorking + "[memory]\npolicy = \"org.test.policy\"\nvram_limt = 1\n")
            .find("did you mean \"vram_limit\"") != std::string::npos);
  CHECK(shop.problem("dtype = \"bf16\"\n" + kWorking +
                     "[memory]\npolicy = \"org.test.policy\"\ncomputation_dtype = \"f32\"\n")
            .find("keep one of them") != std::string::npos);
}
