// The memory of a whole pipeline: the demo under policies and limits.
#include "runtime/memory.hpp"

#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "engine/config/pipeline.hpp"
#include "engine/config/request.hpp"
#include "nn/attention.hpp"
#include "runtime/activations.hpp"
#include "runtime/forecast.hpp"
#include "runtime/generation.hpp"

using namespace gesso;
using runtime::LoadedPipeline;

namespace {

std::shared_ptr<registry::Registry> registry_of_tree() {
  registry::SearchOptions options;
  options.given = {std::filesystem::path(GESSO_BINARY_DIR) / "lib/gesso/plugins"};
  options.use_environment = options.use_default_paths = false;
  options.runtime_version = [] { return std::string("torch/2.13.0"); };
  return registry::Registry::scan(options);
}

struct Demo {
  explicit Demo(std::vector<std::string> overrides = {}) {
    for (const char* set : {"generate.num_inference_steps=1", "generate.height=128",
                            "generate.width=128", "generate.seed=1"}) {
      overrides.push_back(set);
    }
    plan = config::load_pipeline(
        registry_of_tree(), std::filesystem::path(GESSO_SOURCE_DIR) / "samples/emoji/emoji.toml",
        overrides);
    request = config::resolve_request(plan, nlohmann::json::object(), {});
    pipeline = std::make_unique<LoadedPipeline>(plan, runtime::Watch{});
  }
  nlohmann::json draw() {
    return pipeline->generate(request, runtime::Watch{},
                              [&](image::Image&& made) { pixels.push_back(made.pixels); });
  }

  config::PipelinePlan plan;
  runtime::GenerateRequest request;
  std::unique_ptr<LoadedPipeline> pipeline;
  std::vector<std::vector<uint8_t>> pixels;
};

uint64_t anonymous() { return runtime::process_memory().value("anonymous", uint64_t{0}); }

}  // namespace

TEST_CASE("estimates of activations are not below what is measured, nor far above") {
  for (const bool tiled : {false, true}) {
    Demo demo;
    demo.request.tiled = tiled;
    demo.request.tile_size = tiled ? 8 : 0;
    demo.request.height = demo.request.width = 256;
    const auto needs = demo.pipeline->needs_of(demo.request);
    const nlohmann::json report = demo.draw();
    CHECK(needs.size() == 3);
    for (const runtime::StageNeed& need : needs) {
      const auto measured = report.at("activations").at(need.name).get<double>();
      const auto estimated = static_cast<double>(need.activations);
      CAPTURE(tiled);
      CAPTURE(need.name);
      MESSAGE(need.name << ": measured " << measured / (1 << 20) << " MiB, estimated "
                        << estimated / (1 << 20));
      CHECK(measured <= estimated);
      CHECK(estimated <= 4 * measured + (1 << 20));
    }
  }
}

TEST_CASE("attention makes no matrix of all pairs of tokens") {
  const c10::InferenceMode inference;
  constexpr int64_t kTokens = 2048, kHeads = 2, kHeadDim = 64;
  const at::Tensor q_LHD = at::randn({kTokens, kHeads, kHeadDim});
  const runtime::ActivationMeter meter;
  const at::Tensor mixed = nn::attention(q_LHD, q_LHD, q_LHD);
  CHECK(meter.peak() < kTokens * kTokens * kHeads);  // an eighth of the matrix in float32 and less
  CHECK(meter.live() >= mixed.nbytes());
}

TEST_CASE("a run on a simulated device stays below its limit, and its traffic is the forecast's") {
  const std::vector<std::string> on_sim{"memory.policy=stream", "memory.computation_device=sim:0"};
  Demo free(on_sim);
  free.draw();
  const uint64_t smallest =
      runtime::Forecaster(free.plan, free.pipeline->parts(), free.pipeline->needs_of(free.request))
          .smallest_limit();
  for (const uint64_t more : {0, 2, 4}) {
    auto overrides = on_sim;
    const uint64_t limit = smallest + (more << 20);
    overrides.push_back("memory.vram_limit=" +
                        std::to_string(static_cast<double>(limit) / (1 << 30)));
    Demo tight(overrides);
    const nlohmann::json memory = tight.draw().at("memory");
    CHECK(memory.at("devices").at("sim:0").at("peak").get<uint64_t>() <= limit);
    CHECK(tight.pipeline->parts().devices().get("sim:0").usage().peak <= limit);
    CHECK(memory.at("refused_moves") == 0);
    CHECK(tight.pixels == free.pixels);
  }
}

TEST_CASE("a second picture reads nothing, and encodes its prompt no second time") {
  Demo demo({"memory.policy=stream"});
  const nlohmann::json first = demo.draw(), second = demo.draw();
  CHECK(first.at("memory").at("bytes_read").get<uint64_t>() > 0);
  CHECK(second.at("memory").at("bytes_moved") == 0);
  CHECK(second.at("memory").at("bytes_read") == 0);
  CHECK(first.at("stages").contains("compose"));
  CHECK_FALSE(second.at("stages").contains("compose"));
  CHECK(demo.pixels[0] == demo.pixels[1]);
  demo.request.prompts = {"a blue key"};
  CHECK(demo.draw().at("stages").contains("compose"));
  CHECK(demo.pixels[2] != demo.pixels[0]);
}

TEST_CASE("picture after picture the process does not grow") {
  Demo demo({"memory.policy=stream", "memory.computation_device=sim:0", "memory.vram_limit=0.05"});
  demo.request.height = demo.request.width = 64;
  for (int i = 0; i < 5; ++i) demo.draw();
  const uint64_t before = anonymous();
  const char* many = std::getenv("GESSO_PICTURES");  // the slow test makes a hundred
  for (int i = 0; i < (many ? std::atoi(many) : 20); ++i) {
    demo.request.prompts = {"picture " + std::to_string(i)};
    demo.draw();
    demo.pixels.clear();
  }
  CHECK(anonymous() <= before + (8 << 20));
}

TEST_CASE("a file that vanishes under a streaming pipeline ends the job; the engine goes on") {
  const auto folder = std::filesystem::temp_directory_path() / "gesso-vanishing";
  std::filesystem::remove_all(folder);
  std::filesystem::copy(std::filesystem::path(GESSO_SOURCE_DIR) / "samples/emoji", folder,
                        std::filesystem::copy_options::recursive);
  const auto file = folder / "transformer/diffusion_pytorch_model.safetensors";
  const auto plan = config::load_pipeline(registry_of_tree(), folder / "emoji.toml",
                                          std::vector<std::string>{"memory.policy=stream"});
  auto request = config::resolve_request(plan, {{"num_inference_steps", 1}, {"seed", 1}}, {});
  LoadedPipeline pipeline(plan, runtime::Watch{});
  std::filesystem::resize_file(file, 4096);
  const auto draw = [&] { pipeline.generate(request, runtime::Watch{}, [](image::Image&&) {}); };
  CHECK_THROWS_WITH_AS(draw(), doctest::Contains("was changed while it was in use"), Error);
  std::filesystem::copy_file(std::filesystem::path(GESSO_SOURCE_DIR) /
                                 "samples/emoji/transformer/diffusion_pytorch_model.safetensors",
                             file, std::filesystem::copy_options::overwrite_existing);
  CHECK_THROWS_WITH_AS(draw(), doctest::Contains("load the pipeline again"), Error);
  LoadedPipeline(config::load_pipeline(registry_of_tree(), folder / "emoji.toml"), runtime::Watch{})
      .generate(request, runtime::Watch{}, [](image::Image&&) {});
  std::filesystem::remove_all(folder);
}
