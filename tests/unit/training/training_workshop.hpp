// A training run on the goldens' small transformer and a cache of made-up items.
#pragma once

#include <doctest/doctest.h>

#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "engine/data/cache.hpp"
#include "runtime/generation.hpp"
#include "runtime/training/tensor_files.hpp"
#include "small_components.hpp"
#include "temporary_folder.hpp"

namespace gesso {

/// A folder with a cache of items and a recipe for it.
class Workshop {
 public:
  explicit Workshop(size_t items = 5) {
    data::CacheWriter writer(folder.path / "cache", {{"test", true}});
    for (size_t i = 0; i < items; ++i) add(writer, i, 4, 3 + 4 * i);
    writer.finish(items);
    plan.name = "test.toml";
    plan.pipeline.registry = scan_plugins();
    plan.pipeline.name = "test.toml";
    plan.pipeline.numerics = "precise";
    auto& registry = *plan.pipeline.registry;
    plan.pipeline.components = {denoiser(registry),
                                component(registry, "scheduler", "org.gesso.flow_match.scheduler"),
                                component(registry, "memory_policy", "org.gesso.resident.policy")};
    plan.stage = config::Stage::Train;
    plan.data.base_path = folder.path / "cache";
    plan.data.seed = plan.seed = 7;
    plan.checkpointing = config::TrainPlan::Checkpointing::Blocks;
    plan.output_path = folder.path / "out";
    plan.remove_prefix_in_ckpt = "pipe.dit.";
    plan.save_dtype = "f32";
    plan.lora = config::LoraPlan{
        "denoiser", "dit",  {config::LoraTargets::Rule::Names, {"to_q", "w2"}, "to_q,w2", "t:1"},
        2,          "lora", {}};
    plan.optimizer.learning_rate = 1e-2;
    plan.gradient_accumulation_steps = 2;
    plan.num_epochs = 2;
    plan.save_steps = 3;
    plan.keep_states = 2;
  }

  static void add(data::CacheWriter& writer, size_t row, int64_t cells, size_t tokens,
                  double value = 0) {
    data::CacheEntry entry;
    entry.row = row;
    entry.where = fmt::format("items.csv:{}", row + 2);
    entry.extent = {static_cast<int>(8 * cells), static_cast<int>(8 * cells), tokens};
    const at::Tensor latents = std::isnan(value) ? at::full({16, cells, cells}, value, at::kFloat)
                                                 : random({16, cells, cells}, 50 + row);
    entry.tensors = {runtime::named_tensor("input_latents", latents),
                     runtime::named_tensor("prompt_embeds",
                                           random({static_cast<int64_t>(tokens), 48}, 80 + row))};
    writer.add(entry);
  }

  /// From now on the only item has a seed and two steps: distillation sees the same each time.
  void use_pair() {
    data::CacheWriter writer(folder.path / "pairs", {{"test", true}});
    data::CacheEntry entry;
    entry.where = "items.csv:2";
    entry.extent = {32, 32, 5};
    entry.extra = {{"seed", 3}, {"num_inference_steps", 2}};
    entry.tensors = {runtime::named_tensor("input_latents", random({16, 4, 4}, 1)),
                     runtime::named_tensor("prompt_embeds", random({5, 48}, 2)),
                     runtime::named_tensor("negative_prompt_embeds", random({3, 48}, 3))};
    writer.add(entry);
    writer.finish(1);
    plan.data.base_path = folder.path / "pairs";
  }

  nlohmann::json train(runtime::TrainReport& report, const runtime::Watch& watch = {}) {
    return runtime::LoadedPipeline(plan.pipeline, watch).train(plan, report, watch);
  }
  nlohmann::json train() {
    runtime::TrainReport nobody;
    return train(nobody);
  }
  std::string bytes(const std::string& name) const {
    std::ifstream in(plan.output_path / name, std::ios::binary);
    REQUIRE(in);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  TemporaryFolder folder;
  config::TrainPlan plan;
};

}  // namespace gesso
