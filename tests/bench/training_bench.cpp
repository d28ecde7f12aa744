// gesso-bench-training WEIGHTS PIXELS TOKENS RANK STEPS DTYPE: LoRA training steps of the Z-Image
// transformer through the plugin ABI, with checkpointing, on random inputs. Prints seconds and
// memory as JSON.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cstdlib>

#include "engine/weights/weight_set.hpp"
#include "runtime/parts.hpp"
#include "runtime/report.hpp"
#include "runtime/training/adamw.hpp"
#include "runtime/training/lora_targets.hpp"
#include "runtime/training/losses.hpp"

namespace {

using namespace gesso;

at::Tensor random(std::vector<int64_t> shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::empty(shape, at::kFloat).normal_(0, 1, generator);
}

struct Options {
  std::string weights, dtype;
  int64_t pixels, tokens, rank, steps;
};

config::PipelinePlan plan_of(const Options& options) {
  config::PipelinePlan plan;
  plan.name = "bench";
  plan.registry = registry::Registry::scan({});
  plan.numerics = "precise";
  config::ComponentPlan denoiser;
  denoiser.role = "denoiser";
  denoiser.where = "bench";
  denoiser.info = &plan.registry->component("org.gesso.z_image.denoiser");
  denoiser.dtype = options.dtype;
  denoiser.values = nlohmann::json::object();
  denoiser.files = {options.weights};
  const auto set = weights::WeightSet::open(denoiser.files);
  denoiser.weights = std::make_shared<weights::MappedWeights>(
      weights::MappedWeights::open(set, denoiser.info->pattern.value()));
  config::ComponentPlan scheduler;
  scheduler.role = "scheduler";
  scheduler.where = "bench";
  scheduler.info = &plan.registry->component("org.gesso.flow_match.scheduler");
  scheduler.dtype = "f32";
  scheduler.values = nlohmann::json::object();
  plan.components = {denoiser, scheduler};
  return plan;
}

void run(const Options& options) {
  const runtime::Watch nobody;
  const runtime::CallScope call(nobody);
  const config::PipelinePlan plan = plan_of(options);
  const runtime::Parts parts(plan, nobody);
  runtime::Instance& denoiser = parts.get("denoiser");
  runtime::Parameters lora(denoiser);
  const auto targets = denoiser.weights()->targets();
  const config::LoraTargets rule{config::LoraTargets::Rule::Names,
                                 {"to_q", "to_k", "to_v", "to_out.0", "w1", "w2", "w3"},
                                 "",
                                 "bench"};
  for (const size_t target : runtime::choose_targets(rule, targets)) {
    lora.train_lora(target, runtime::initial_a(target, options.rank, targets[target].in_features),
                    at::zeros({targets[target].out_features, options.rank}, at::kFloat));
  }
  lora.show(true);
  runtime::AdamW optimizer(lora.list(), {});
  const runtime::TrainingGrid grid(parts.get("scheduler"), call, 1000, false);
  const runtime::TrainedDenoiser trained(denoiser, "precise", GESSO_CHECKPOINT_BLOCKS, lora.sink());
  const int64_t text_dim = plan.components[0].weights->find("cap_embedder.1.weight")->shape.at(1);
  const int64_t cells = options.pixels / 8;
  const at::ScalarType type = options.dtype == "bf16" ? at::kBFloat16 : at::kFloat;

  std::vector<double> seconds;
  double loss = 0;
  for (int64_t step = 0; step < options.steps; ++step) {
    const auto start = runtime::Clock::now();
    const auto seed = static_cast<uint64_t>(step);
    const runtime::FlowBatch batch{
        {random({16, cells, cells}, seed)},
        {random({16, cells, cells}, seed + 100)},
        {grid[(137 * seed + 400) % 1000]},
        {{random({options.tokens, text_dim}, seed + 200).to(type)}, {}, {}, {}}};
    loss = runtime::flow_matching_loss(trained, call, batch, 1.0).front();
    optimizer.step(1e-4);
    lora.clear_gradients();
    lora.publish();
    seconds.push_back(runtime::seconds_since(start));
  }
  const nlohmann::json report = {{"step_seconds", seconds},
                                 {"loss", loss},
                                 {"threads", at::get_num_threads()},
                                 {"peak_rss", runtime::process_memory().value("peak_rss", 0.0)},
                                 {"boundary_seconds", parts.clock().seconds()}};
  fmt::print("{}\n", report.dump());
}

}  // namespace

int main(int count, char** words) {
  if (count != 7) {
    fmt::print(stderr, "usage: gesso-bench-training WEIGHTS PIXELS TOKENS RANK STEPS f32|bf16\n");
    return 2;
  }
  try {
    run({words[1], words[6], std::atol(words[2]), std::atol(words[3]), std::atol(words[4]),
         std::atol(words[5])});
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
