// Requests: precedence, lists, seeds, errors.
#include "engine/config/request.hpp"

#include <doctest/doctest.h>

#include <set>

#include "engine/image/image_io.hpp"
#include "workshop.hpp"

using namespace gesso::config;
using gesso::test::error_of;
using gesso::test::kWorking;
using gesso::test::replaced;
using gesso::test::Workshop;
using nlohmann::json;

namespace {

/// Where checking weights would only cost time: the pipeline without them.
PipelinePlan light_plan(const Workshop& shop, const json& generate = json::object()) {
  PipelinePlan plan;
  plan.name = "emoji.toml";
  plan.registry = shop.registry();
  plan.variant = &plan.registry->variant("tiny");
  plan.numerics = "precise";
  for (const char* id : {"org.test.scheduler", "org.test.composer", "org.test.codec"}) {
    const auto& info = plan.registry->component(id);
    plan.components.push_back({.role = info.kind,
                               .where = {},
                               .info = &info,
                               .dtype = "bf16",
                               .files = {},
                               .weights = nullptr,
                               .values = {},
                               .config = {}});
  }
  plan.generate = generate;
  return plan;
}

}  // namespace

TEST_CASE("a value comes from the request, else file, variant, component, table") {
  const Workshop shop;
  const auto plan = shop.load(kWorking + "[generate]\nheight = 512\nwidth = 256\n");
  const auto request = resolve_request(plan, {{"width", 128}, {"seed", 7}});
  CHECK(request.width == 128);                                            // request
  CHECK(request.height == 512);                                           // file
  CHECK(request.num_inference_steps == 9);                                // variant
  CHECK(request.negative_prompts == std::vector<std::string>{"blurry"});  // variant
  CHECK(request.tile_size == 64);                                         // component
  CHECK(request.cfg_scale == 1.0);                                        // table
  CHECK(request.prompts == std::vector<std::string>{""});
  CHECK(request.seeds == std::vector<uint64_t>{7});
  CHECK(request.input_image == nullptr);
}

TEST_CASE("run parameters reach their component only when somebody sets them") {
  const Workshop shop;
  const auto plan = light_plan(shop, {{"max_length", 100}});
  const auto request = resolve_request(plan, {{"sigma_shift", 5}});
  CHECK(request.scheduler_values == json{{"sigma_shift", 5.0}});
  CHECK(request.composer_values == json{{"max_length", 100}});
  CHECK(resolve_request(light_plan(shop), json::object()).scheduler_values == json::object());
}

TEST_CASE("prompts and seeds pair, a single one goes with all") {
  const Workshop shop;
  const auto plan = light_plan(shop);
  const auto paired = resolve_request(plan, {{"prompt", {"a", "b"}}, {"seed", {3, 9}}});
  CHECK(paired.prompts == std::vector<std::string>{"a", "b"});
  CHECK(paired.seeds == std::vector<uint64_t>{3, 9});
  CHECK(paired.negative_prompts.size() == 2);
  const auto one_seed = resolve_request(plan, {{"prompt", {"a", "b"}}, {"seed", 3}});
  CHECK(one_seed.seeds == std::vector<uint64_t>{3, 3});
  const auto one_prompt = resolve_request(plan, {{"prompt", "a"}, {"seed", {3, 9}}});
  CHECK(one_prompt.prompts == std::vector<std::string>{"a", "a"});
}

TEST_CASE("several images of one seed count up") {
  const Workshop shop;
  const auto plan = light_plan(shop);
  CHECK(resolve_request(plan, {{"seed", 3}, {"num_images", 3}}).seeds ==
        std::vector<uint64_t>{3, 4, 5});
  CHECK(resolve_request(plan, {{"seed", {3, 9}}, {"num_images", 2}}).seeds ==
        std::vector<uint64_t>{3, 9});
  CHECK(resolve_request(plan, {{"seed", 3}, {"num_images", 2}, {"prompt", {"a", "b"}}}).seeds ==
        std::vector<uint64_t>{3, 4});
}

TEST_CASE("without a seed each picture gets a random one of 32 bits") {
  const Workshop shop;
  const auto request = resolve_request(light_plan(shop), {{"num_images", 8}});
  REQUIRE(request.seeds.size() == 8);
  CHECK(std::set<uint64_t>(request.seeds.begin(), request.seeds.end()).size() > 1);
  for (const uint64_t seed : request.seeds) CHECK(seed <= 0xFFFFFFFFu);
}

TEST_CASE("lists of different length are refused with both lengths") {
  const Workshop shop;
  const auto plan = light_plan(shop);
  const std::string advice =
      "; lists are paired, so they must be equally long, or have one entry for all";
  CHECK(error_of([&] {
          resolve_request(plan, {{"prompt", {"a", "b"}}, {"seed", {1, 2, 3}}});
        }) == "prompt has 2 entries, but seed has 3 entries" + advice);
  CHECK(error_of([&] {
          resolve_request(plan, {{"num_images", 4}, {"seed", {1, 2, 3}}});
        }) == "num_images is 4, but seed has 3 entries" + advice);
}

TEST_CASE("every wrong value of a request is told with its key") {
  const Workshop shop;
  CHECK(error_of([&] {
          resolve_request(light_plan(shop), {{"height", 8}, {"promt", "a"}, {"seed", "x"}});
        }) ==
        "height: 8 is less than the least allowed, 16 pixels\n"
        "unknown parameter \"promt\"; did you mean \"prompt\"?\n"
        "seed: expected an integer or a list of integers, found the text \"x\"");
  CHECK(error_of([&] {
          resolve_request(light_plan(shop), {{"width", 4096}});
        }) == "width: 4096 is more than the most allowed, 2048 pixels");
  CHECK(error_of([&] {
          resolve_request(light_plan(shop), {{"tile_stride", 65}});
        }) == "tile_stride: 65 is more than tile_size, 64; tiles must touch");
}

TEST_CASE("an input image is read from its path or handed over") {
  const Workshop shop;
  const auto path = shop.folder() / "in.png";
  gesso::image::save(gesso::image::Image(32, 16, 3, 200), path);
  const auto plan = light_plan(shop, {{"input_image", path.string()}});
  CHECK(resolve_request(plan, json::object()).input_image->width == 32);

  const auto given = std::make_shared<const gesso::image::Image>(8, 8, 3);
  CHECK(resolve_request(plan, json::object(), {{"input_image", given}}).input_image == given);
  CHECK(error_of([&] {
          resolve_request(plan, json::object(), {{"input_imag", given}});
        }) ==
        "unknown picture \"input_imag\"; expected one of edit_image, edit_image.0, "
        "image2lora_images, image2lora_images.0, inpaint_mask, input_image, "
        "negative_image2lora_images, negative_image2lora_images.0");
}

TEST_CASE("the metadata of a picture is enough to make it again") {
  const Workshop shop;
  const auto plan = light_plan(shop);
  const auto request =
      resolve_request(plan, {{"prompt", {"a", "b"}}, {"seed", {3, 9}}, {"sigma_shift", 5}});
  const json metadata = picture_metadata(request, 1);
  CHECK(metadata["variant"] == "org.test.tiny_turbo");
  CHECK(metadata["numerics"] == "precise");
  CHECK(metadata["components"]["scheduler"] ==
        json{{"id", "org.test.scheduler"}, {"version", "1.0.0"}, {"dtype", "bf16"}});
  const json generate = metadata["generate"];
  CHECK(generate["prompt"] == "b");
  CHECK(generate["seed"] == 9);
  CHECK(generate["sigma_shift"] == 5.0);
  const auto again = resolve_request(plan, generate);
  CHECK(again.prompts == std::vector<std::string>{"b"});
  CHECK(again.seeds == std::vector<uint64_t>{9});
}
