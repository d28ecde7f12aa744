// Losses, gradients and steps of the optimizer, through the training interface of the plugins.
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include "components.hpp"
#include "engine/weights/weight_set.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/controller.h"
#include "gesso/kind/delta_generator.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "kinds.hpp"
#include "runtime/adapters.hpp"
#include "runtime/training/adamw.hpp"
#include "runtime/training/losses.hpp"
#include "runtime/training/outside.hpp"

namespace gesso::golden {
namespace {

using runtime::CallScope;
using runtime::Parameters;

constexpr uint32_t kTrainingLevels = 1000;
constexpr int32_t kCheckpoints[] = {GESSO_CHECKPOINT_BLOCKS, GESSO_CHECKPOINT_NONE};

at::Tensor scalar(double value) { return at::tensor({static_cast<float>(value)}); }

/// The components of a case, its adapters, and what it trains.
class TrainingBench {
 public:
  TrainingBench(const Context& context, const Case& golden)
      : golden_(golden), registry_(context.registry), dtype_(golden.compute_dtype()) {
    const auto& weights = golden.json.at("weights");
    plan_.name = "case.json";
    plan_.registry = context.registry;
    plan_.numerics = "precise";
    const bool omni = weights.at("dit").at("config").contains("siglip_feat_dim");
    plan_.components = {weights_plan(*registry_, golden, "dit", "denoiser", dtype_,
                                     omni ? "org.gesso.z_image_omni_base.denoiser" : ""),
                        plain_plan(*registry_, "scheduler")};
    if (weights.contains("controlnet")) {
      plan_.components.push_back(
          weights_plan(*registry_, golden, "controlnet", "controlnet", dtype_));
    }
    if (weights.contains("image2lora")) {
      plan_.components.push_back(weights_plan(*registry_, golden, "image2lora", "image2lora",
                                              dtype_, "org.gesso.z_image_i2l_v2.generator"));
    }
    parts_ = std::make_unique<runtime::Parts>(plan_, nobody_);
    adapters_ = std::make_unique<runtime::Adapters>(*parts_);
    if (weights.contains("preset_lora")) add_preset("preset_lora");
  }

  runtime::Instance& denoiser() { return parts_->get("denoiser"); }
  runtime::Instance& part(const std::string& role) { return parts_->get(role); }
  const runtime::Parts& parts() const { return *parts_; }

  /// A LoRA file of the case with PEFT's names, as parameters.
  std::unique_ptr<Parameters> lora(const std::string& name) {
    auto parameters = std::make_unique<Parameters>(denoiser());
    Tensors files;
    for (const auto& file : golden_.json.at("weights").at(name).at("files")) {
      files.merge(read_tensors(golden_.path(file)));
    }
    const auto targets = denoiser().weights()->targets();
    size_t used = 0;
    for (size_t i = 0; i < targets.size(); ++i) {
      const auto a = files.find(targets[i].name + ".lora_A.default.weight");
      const auto b = files.find(targets[i].name + ".lora_B.default.weight");
      if (a == files.end() || b == files.end()) continue;
      parameters->train_lora(i, a->second, b->second);
      used += 2;
    }
    if (used != files.size()) throw Error(Status::Incompatible, "keys of the LoRA match nothing");
    return parameters;
  }

  runtime::Conditions conditions(const std::string& text = "prompt_embeds") {
    runtime::Conditions made;
    if (golden_.inputs.contains(text)) {
      made.text = {golden_.input(text)};
    } else {
      const auto segments = golden_.input_list(text);
      std::vector<int64_t> rows;
      for (const at::Tensor& segment : segments) rows.push_back(segment.size(0));
      made.text = {at::cat(segments)};
      made.text_segments = {at::tensor(rows, at::kLong)};
    }
    for (const at::Tensor& latents : golden_.input_list("image_latents")) {
      made.image_latents.push_back(latents[0]);
    }
    made.image_features = golden_.input_list("image_embeds");
    return made;
  }

  const CallScope& call() const { return call_; }

 private:
  void add_preset(const std::string& name) {
    config::AdapterPlan adapter;
    adapter.name = name;
    adapter.where = "case.json";
    adapter.source = &registry_->component("org.gesso.lora.source");
    for (const auto& file : golden_.json.at("weights").at(name).at("files")) {
      adapter.files.push_back(golden_.path(file));
    }
    adapter.tensors = std::make_shared<weights::WeightSet>(weights::WeightSet::open(adapter.files));
    adapter.mode = config::AdapterPlan::Mode::Fuse;
    adapters_->add(adapter, call_);
  }

  const Case& golden_;
  std::shared_ptr<registry::Registry> registry_;
  std::string dtype_;
  const runtime::Watch nobody_;
  const CallScope call_{nobody_};
  config::PipelinePlan plan_;
  std::unique_ptr<runtime::Parts> parts_;
  std::unique_ptr<runtime::Adapters> adapters_;
};

void add_gradients(const Case& golden, const Parameters& parameters, Tensors& outputs) {
  for (const std::string name : golden.params().at("gradients")) {
    for (const runtime::Parameter& parameter : parameters.all()) {
      if (parameter.name == name && parameter.grad.defined()) {
        outputs["grad." + name] = parameter.grad.clone();
      }
    }
  }
}

/// The larger difference of both wins: what does not hold at every checkpoint level fails.
template <class Compute>
Tensors at_all_levels(const Case& golden, const Compute& compute) {
  Tensors worst;
  for (const int32_t level : kCheckpoints) {
    for (auto& [name, tensor] : compute(level)) {
      const auto found = worst.find(name);
      const auto expected = golden.outputs.find(name);
      if (found == worst.end() || expected == golden.outputs.end() ||
          (tensor - expected->second).abs().max().template item<double>() >
              (found->second - expected->second).abs().max().template item<double>()) {
        worst[name] = tensor;
      }
    }
  }
  return worst;
}

Tensors sft(const Context& context, const Case& golden) {
  return at_all_levels(golden, [&](int32_t level) {
    TrainingBench bench(context, golden);
    const std::string train = golden.params().at("train");
    std::unique_ptr<Parameters> parameters;
    if (train == "lora") {
      parameters = bench.lora("lora");
      parameters->show(true);
    } else {
      parameters =
          std::make_unique<Parameters>(bench.part(train == "dit" ? "denoiser" : "controlnet"));
      parameters->train_weights([](const std::string&) { return true; });
      parameters->show(true);
    }
    runtime::FlowBatch batch{
        {golden.input("input_latents")[0]}, {golden.input("noise")[0]}, {}, {}};
    const runtime::TrainingGrid grid(bench.part("scheduler"), bench.call(), kTrainingLevels, false);
    const auto point = grid[golden.params().at("timestep_id").get<size_t>()];
    batch.points = {point};
    batch.conditions = bench.conditions();
    std::unique_ptr<runtime::ControlRun> control;
    const bool frozen = train == "controlnet";
    if (golden.inputs.contains("control_context")) {
      control = std::make_unique<runtime::ControlRun>(
          bench.part("controlnet"), bench.denoiser(), bench.call(),
          golden.input("control_context")[0].select(1, 0),
          golden.params().value("control_scale", 1.0), level,
          frozen ? parameters->sink() : nullptr);
      batch.conditions.injectors = {control->get()};
    }
    const runtime::TrainedDenoiser denoiser(bench.denoiser(), "precise", level,
                                            frozen ? nullptr : parameters->sink());
    const auto losses = runtime::flow_matching_loss(denoiser, bench.call(), batch, 1.0);
    Tensors outputs{{"loss", scalar(losses.front())},
                    {"timestep", scalar(point.timestep)},
                    {"sigma", scalar(point.sigma)},
                    {"weight", scalar(point.weight)}};
    add_gradients(golden, *parameters, outputs);
    return outputs;
  });
}

Tensors i2l_v2(const Context& context, const Case& golden) {
  return at_all_levels(golden, [&](int32_t level) {
    TrainingBench bench(context, golden);
    Parameters decoder(bench.part("image2lora"));
    decoder.train_weights([](const std::string&) { return true; });
    decoder.show(true);
    runtime::GeneratedUpdates updates(bench.part("image2lora"), bench.denoiser());
    updates.forward(bench.call(), {golden.input("x")[0]}, level);

    const runtime::TrainingGrid grid(bench.part("scheduler"), bench.call(), kTrainingLevels, false);
    runtime::FlowBatch batch{{golden.input("input_latents")[0]},
                             {golden.input("noise")[0]},
                             {grid[golden.params().at("timestep_id").get<size_t>()]},
                             bench.conditions()};
    const runtime::TrainedDenoiser denoiser(bench.denoiser(), "precise", level, updates.sink());
    const auto losses = runtime::flow_matching_loss(denoiser, bench.call(), batch, 1.0);
    updates.backward(bench.call(), decoder.sink());
    Tensors outputs{{"loss", scalar(losses.front())}};
    add_gradients(golden, decoder, outputs);
    return outputs;
  });
}

Tensors direct_distill(const Context& context, const Case& golden) {
  return at_all_levels(golden, [&](int32_t level) {
    TrainingBench bench(context, golden);
    const auto parameters = bench.lora("lora");
    parameters->show(true);
    const auto evals =
        runtime::plan_steps(bench.part("scheduler"), bench.call(),
                            golden.params().at("num_inference_steps").get<uint32_t>(), {});
    const runtime::TrainedDenoiser denoiser(bench.denoiser(), "precise", level, parameters->sink());
    const double loss =
        runtime::direct_distill_loss(denoiser, bench.call(), evals, golden.input("noise")[0],
                                     golden.input("input_latents")[0], bench.conditions(), 1.0);
    Tensors outputs{{"loss", scalar(loss)}};
    add_gradients(golden, *parameters, outputs);
    return outputs;
  });
}

Tensors trajectory_imitation(const Context& context, const Case& golden) {
  return at_all_levels(golden, [&](int32_t level) {
    TrainingBench bench(context, golden);
    const auto teacher = bench.lora("teacher_lora"), student = bench.lora("lora");
    const auto& params = golden.params();
    ValueList values;
    values.set_text("target_sigmas", params.at("target_sigmas").get<std::string>());
    auto trajectory = runtime::plan_trajectory(bench.part("scheduler"), bench.call(),
                                               params.at("teacher_steps").get<uint32_t>(),
                                               params.at("student_steps").get<uint32_t>(), values);
    const runtime::TrainedDenoiser denoiser(bench.denoiser(), "precise", level, student->sink());
    teacher->show(true);
    runtime::follow_teacher(trajectory, denoiser, bench.call(), golden.input("noise")[0],
                            bench.conditions(), bench.conditions("negative_prompt_embeds"),
                            params.at("teacher_cfg_scale"));
    teacher->show(false);
    student->show(true);
    const double loss =
        runtime::trajectory_loss(denoiser, bench.call(), trajectory, bench.conditions(), 1.0);

    Tensors outputs{{"loss", scalar(loss)}};
    std::vector<float> times;
    for (const gesso_eval_t& eval : trajectory.teacher) {
      times.push_back(static_cast<float>(eval.timestep));
    }
    outputs["teacher_timesteps"] = at::tensor(times);
    for (size_t k = 0; k < trajectory.latents.size(); ++k) {
      outputs[fmt::format("teacher_latents.{}", k)] = trajectory.latents[k].unsqueeze(0);
    }
    add_gradients(golden, *student, outputs);
    return outputs;
  });
}

Tensors adamw(const Context& context, const Case& golden) {
  TrainingBench bench(context, golden);
  const auto& params = golden.params();
  const auto parameters = bench.lora("lora");
  parameters->show(true);
  config::OptimizerPlan plan;
  plan.learning_rate = params.at("learning_rate");
  plan.weight_decay = params.at("weight_decay");
  runtime::AdamW optimizer(parameters->list(), plan);
  const auto ids = params.at("timestep_ids").get<std::vector<size_t>>();
  const auto clean = golden.input_list("input_latents"), noise = golden.input_list("noise");
  const auto text = golden.input_list("prompt_embeds");
  const auto accumulation = params.at("gradient_accumulation_steps").get<size_t>();
  const runtime::TrainingGrid grid(bench.part("scheduler"), bench.call(), kTrainingLevels, false);
  const runtime::TrainedDenoiser denoiser(bench.denoiser(), "precise", GESSO_CHECKPOINT_BLOCKS,
                                          parameters->sink());
  Tensors outputs;
  std::vector<float> rates;
  size_t micro_batch = 0;
  for (int64_t epoch = 0; epoch < params.at("num_epochs").get<int64_t>(); ++epoch) {
    for (size_t i = 0; i < ids.size(); ++i, ++micro_batch) {
      const runtime::FlowBatch batch{
          {clean[i][0]}, {noise[i][0]}, {grid[ids[i]]}, {{text[i]}, {}, {}, {}}};
      const auto losses = runtime::flow_matching_loss(denoiser, bench.call(), batch,
                                                      1.0 / static_cast<double>(accumulation));
      outputs[fmt::format("loss.{}", micro_batch)] = scalar(losses.front());
      if ((i + 1) % accumulation != 0 && i + 1 != ids.size()) continue;
      rates.push_back(static_cast<float>(
          runtime::learning_rate({}, plan.learning_rate, static_cast<int64_t>(rates.size()), 0)));
      optimizer.step(rates.back());
      parameters->clear_gradients();
      parameters->publish();
      for (const runtime::Parameter& parameter : parameters->all()) {
        outputs[fmt::format("param.{}.{}", micro_batch, parameter.name)] = parameter.value.clone();
      }
    }
  }
  outputs["learning_rates"] = at::tensor(rates);
  return outputs;
}

}  // namespace

void add_training_kinds(std::map<std::string, Compute>& table) {
  table["training.sft"] = sft;
  table["training.i2l_v2"] = i2l_v2;
  table["training.direct_distill"] = direct_distill;
  table["training.trajectory_imitation"] = trajectory_imitation;
  table["training.adamw"] = adamw;
}

}  // namespace gesso::golden
