// Checking keys and values: every message with its place.
#include <doctest/doctest.h>

#include "workshop.hpp"

using gesso::test::kWorking;
using gesso::test::replaced;
using gesso::test::Workshop;
using nlohmann::json;

namespace {

struct Fault {
  const char* appended;  // from line 10 on
  const char* message;
};

void check_faults(const Workshop& shop, std::initializer_list<Fault> faults) {
  for (const Fault& fault : faults) {
    CAPTURE(fault.appended);
    CHECK(shop.problem(kWorking + fault.appended) == fault.message);
  }
}

}  // namespace

TEST_CASE("a working file gives a plan with what it says") {
  const Workshop shop;
  const auto plan = shop.load(kWorking + R"([generate]
prompt = "a red apple"
seed = 7
cfg_scale = 2
height = 512.0
sigma_shift = 5
[output]
path = "out/{name}.png"
quality = 80
)");
  CHECK(plan.name == "emoji.toml");
  CHECK(plan.variant->id == "org.test.tiny_turbo");
  CHECK(plan.numerics == "precise");
  CHECK(plan.generate == json{{"prompt", {"a red apple"}},
                              {"seed", {7}},
                              {"cfg_scale", 2.0},
                              {"height", 512},
                              {"sigma_shift", 5.0}});
  CHECK(plan.generate["cfg_scale"].is_number_float());
  CHECK(plan.generate["height"].is_number_integer());
  CHECK(plan.output ==
        json{{"path", (shop.folder() / "out/{name}.png").string()}, {"quality", 80}});
}

TEST_CASE("unknown and misplaced keys come with advice") {
  const Workshop shop;
  check_faults(
      shop,
      {{"[generate]\npromt = \"x\"",
        "emoji.toml:11:1: unknown key \"promt\" in [generate]; did you mean \"prompt\"?"},
       {"[generate]\n  sigma_shif = 3",
        "emoji.toml:11:3: unknown key \"sigma_shif\" in [generate]; did you mean "
        "\"sigma_shift\"?"},
       {"[generate]\nquality = 3",
        "emoji.toml:11:1: unknown key \"quality\" in [generate]; it belongs into [output]"},
       {"[generate]\nnumerics = \"precise\"",
        "emoji.toml:11:1: unknown key \"numerics\" in [generate]; it belongs at the top level"},
       {"[generate]\nvarient = 3",
        "emoji.toml:11:1: unknown key \"varient\" in [generate]; did you mean \"variant\", which "
        "belongs at the top level?"},
       {"[output]\nheight = 3",
        "emoji.toml:11:1: unknown key \"height\" in [output]; it belongs into [generate]"},
       {"[output]\nzzzz = 3",
        "emoji.toml:11:1: unknown key \"zzzz\" in [output]; expected one of path, sheet, quality, "
        "trace"},
       {"[components.composer]\nmax_length = 5",
        "emoji.toml:11:1: unknown key \"max_length\" in [components.composer]; it belongs into "
        "[generate]"},
       {"[components.scheduler]\nattention = \"plain\"",
        "emoji.toml:11:1: unknown key \"attention\" in [components.scheduler]; it belongs into "
        "[components.denoiser]"},
       {"[generat]\nseed = 3",
        "emoji.toml:10:2: unknown key \"generat\" at the top level; did you mean \"generate\"?"}});
  CHECK(shop.problem("seed = 3\n" + kWorking) ==
        "emoji.toml:1:1: unknown key \"seed\" at the top level; it belongs into [generate]");
}

TEST_CASE("values of a wrong type, outside of their range or choices are refused") {
  const Workshop shop;
  check_faults(
      shop,
      {{"[generate]\nheight = \"big\"",
        "emoji.toml:11:10: generate.height: expected an integer, found the text \"big\""},
       {"[generate]\nheight = 512.5",
        "emoji.toml:11:10: generate.height: expected an integer, found the number 512.5"},
       {"[generate]\nheight = 8",
        "emoji.toml:11:10: generate.height: 8 is less than the least allowed, 16 pixels"},
       {"[generate]\nwidth = 4096",
        "emoji.toml:11:9: generate.width: 4096 is more than the most allowed, 2048 pixels"},
       {"[generate]\ncfg_scale = nan",
        "emoji.toml:11:13: generate.cfg_scale: expected a number, found the number nan"},
       {"[generate]\ncfg_scale = {}",
        "emoji.toml:11:13: generate.cfg_scale: expected a number, found a table"},
       {"[generate]\nprompt = 3",
        "emoji.toml:11:10: generate.prompt: expected a text or a list of texts, found the integer "
        "3"},
       {"[generate]\nprompt = []",
        "emoji.toml:11:10: generate.prompt: expected a text or a list of texts, found an empty "
        "list"},
       {"[generate]\nprompt = [\"a\", 3]",
        "emoji.toml:11:10: generate.prompt: item 2: expected a text, found the integer 3"},
       {"[generate]\nprompt = 2024-01-01",
        "emoji.toml:11:10: generate.prompt: expected a text or a list of texts, found a date or "
        "time; put it in quotes to make it a text"},
       {"[generate]\nrand_device = \"cuda\"",
        "emoji.toml:11:15: generate.rand_device: \"cuda\" is not one of \"cpu\""},
       {"[generate]\nseed = -1",
        "emoji.toml:11:8: generate.seed: -1 is less than the least allowed, 0"},
       {"[generate]\ntiled = 1",
        "emoji.toml:11:9: generate.tiled: expected true or false, found the integer 1"},
       {"[generate]\ndenoising_strength = 1.5",
        "emoji.toml:11:22: generate.denoising_strength: 1.5 is more than the most allowed, 1"},
       {"[generate]\nmax_length = 5000",
        "emoji.toml:11:14: generate.max_length: 5000 is more than the most allowed, 4096 tokens"},
       {"[components.denoiser.attention]",
        "emoji.toml:10:1: components.denoiser.attention: expected a text, found a table"},
       {"[components.scheduler]\ndtype = \"f16\"",
        "emoji.toml:11:9: components.scheduler.dtype: \"f16\" is not one of \"bf16\", \"f32\"; did "
        "you mean \"bf16\"?"}});
  CHECK(shop.problem("numerics = \"fast\"\n" + kWorking) ==
        "emoji.toml:1:12: numerics: \"fast\" is not one of \"precise\", \"diffsynth\"");
  CHECK(shop.problem("generate = 3\n" + kWorking) ==
        "emoji.toml:1:12: generate: expected a table, found the integer 3");
}

TEST_CASE("paths of pictures are checked") {
  const Workshop shop;
  check_faults(
      shop, {{"[generate]\ninput_image = \"none.png\"",
              "emoji.toml:11:15: generate.input_image: there is no file \"FOLDER/none.png\""},
             {"[output]\npath = \"a.bmp\"",
              "emoji.toml:11:8: output.path: \"FOLDER/a.bmp\" does not end in .png, .jpg, .jpeg or "
              ".webp"},
             {"[output]\nsheet = \"{sed}.png\"",
              "emoji.toml:11:9: output.sheet: unknown placeholder {sed}; did you mean \"seed\"?"}});
}

TEST_CASE("lists that do not pair are refused") {
  const Workshop shop;
  check_faults(shop,
               {{"[generate]\nnum_images = 3\nseed = [1, 2]",
                 "emoji.toml:10:1: generate: num_images is 3, but seed has 2 entries; lists are "
                 "paired, so they must be equally long, or have one entry for all"}});
}

TEST_CASE("a variant that is missing or unknown is told with those there are") {
  const Workshop shop;
  CHECK(shop.problem("dtype = \"bf16\"") ==
        "emoji.toml: variant: not given; expected one of \"Tiny Turbo\", \"Faulty\"");
  CHECK(shop.problem("variant = \"Tiny Turboo\"") ==
        "emoji.toml:1:11: variant: no variant \"Tiny Turboo\"; did you mean \"Tiny Turbo\"? there "
        "are: Tiny Turbo, Faulty");
  CHECK(shop.problem("variant = 3") ==
        "emoji.toml:1:11: variant: expected a text, found the integer 3");
}

TEST_CASE("without a variant the parameters of its components are not judged") {
  const Workshop shop;
  CHECK(shop.problem("variant = \"x\"\n[generate]\nsigma_shift = 3\nheight = 1\n") ==
        "emoji.toml:1:11: variant: no variant \"x\"; there are: Tiny Turbo, Faulty\n"
        "emoji.toml:4:10: generate.height: 1 is less than the least allowed, 16 pixels");
}

TEST_CASE("a variant whose own defaults are wrong is blamed") {
  const Workshop shop;
  CHECK(shop.problem("variant = \"faulty\"") ==
        "emoji.toml:1:11: FOLDER/plugins/faulty.variant.toml: defaults.height: expected an "
        "integer, found the text \"tall\"; is the plugin damaged?");
}

TEST_CASE("all problems are told at once, in the order of the file") {
  const Workshop shop;
  CHECK(shop.problem("dtyp = \"bf16\"\n" + kWorking + "[generate]\nsed = 3\nwidth = 1\n") ==
        "emoji.toml:1:1: unknown key \"dtyp\" at the top level; did you mean \"dtype\"?\n"
        "emoji.toml:12:1: unknown key \"sed\" in [generate]; did you mean \"seed\"?\n"
        "emoji.toml:13:9: generate.width: 1 is less than the least allowed, 16 pixels");
}

TEST_CASE("a problem of an override names the override") {
  const Workshop shop;
  CHECK(shop.problem(kWorking, {"height=8"}) ==
        "--set height=8: generate.height: 8 is less than the least allowed, 16 pixels");
  CHECK(shop.problem(kWorking, {"generate.promt=x"}) ==
        "--set generate.promt=x: unknown key \"promt\" in [generate]; did you mean \"prompt\"?");
  CHECK(shop.problem(kWorking, {"prompt=7"}) ==
        "--set prompt=7: generate.prompt: expected a text or a list of texts, found the integer 7; "
        "as a text it is written '\"7\"'");
}

TEST_CASE("a problem of an extended file names that file") {
  const Workshop shop;
  shop.write("base.toml", kWorking + "[generate]\nheight = 8\n");
  CHECK(shop.problem("extends = \"base.toml\"\n[generate]\nwidth = 8\n") ==
        "base.toml:11:10: generate.height: 8 is less than the least allowed, 16 pixels\n"
        "emoji.toml:3:9: generate.width: 8 is less than the least allowed, 16 pixels");
}

TEST_CASE("the report of a file lists errors and warnings without throwing") {
  const Workshop shop;
  const auto path = shop.write("emoji.toml", kWorking + R"([generate]
negative_prompt = "blurry"
denoising_strength = 0.5
width = 1
)");
  const auto problems = gesso::config::check_report(shop.registry(), path);
  REQUIRE(problems.size() == 3);
  CHECK(problems[0].where == path.string() + ":11:19");
  CHECK(problems[0].text == "generate.negative_prompt: not read while cfg_scale is 1");
  CHECK(problems[0].severity == gesso::config::Severity::Warning);
  CHECK(problems[1].text ==
        "generate.denoising_strength: meant for input_image; without one keep it at 1");
  CHECK(problems[2].text == "generate.width: 1 is less than the least allowed, 16 pixels");
  CHECK(problems[2].severity == gesso::config::Severity::Error);

  const auto broken = shop.write("broken.toml", "a = = 3");
  const auto syntax = gesso::config::check_report(shop.registry(), broken);
  REQUIRE(syntax.size() == 1);
  CHECK(syntax[0].line().starts_with(broken.string() + ":1:5: "));
}

TEST_CASE("warnings do not keep a file from loading") {
  const Workshop shop;
  CHECK(shop.problem(kWorking + "[generate]\nnegative_prompt = \"blurry\"\n") == "");
}
