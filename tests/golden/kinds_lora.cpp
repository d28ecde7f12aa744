// Updates of weights from LoRA files in every dialect.
#include <fmt/format.h>

#include "components.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "kinds.hpp"
#include "runtime/adapters.hpp"

namespace gesso::golden {
namespace {

using Mode = config::AdapterPlan::Mode;

/// A denoiser with adapters.
class Adapted {
 public:
  Adapted(const Context& context, const Case& golden)
      : golden_(golden), registry_(context.registry) {
    plan_.name = "case.json";
    plan_.registry = context.registry;
    plan_.numerics = "precise";
    plan_.components = {
        weights_plan(*context.registry, golden, "dit", "denoiser", golden.compute_dtype())};
    parts_ = std::make_unique<runtime::Parts>(plan_, nobody_);
    adapters_ = std::make_unique<runtime::Adapters>(*parts_);
  }

  void add(const std::string& name, const std::string& source, double scale, Mode mode) {
    config::AdapterPlan adapter;
    adapter.name = name;
    adapter.where = "case.json";
    adapter.source = &registry_->component(source);
    for (const auto& file : golden_.json.at("weights").at(name).at("files")) {
      adapter.files.push_back(golden_.path(file));
    }
    adapter.tensors = std::make_shared<weights::WeightSet>(weights::WeightSet::open(adapter.files));
    adapter.scale = scale;
    adapter.mode = mode;
    adapters_->add(adapter, runtime::CallScope(nobody_));
  }

  at::Tensor denoise() {
    runtime::OperationRun run(parts_->get("denoiser").component(), GESSO_OP_DENOISE);
    run.feed(GESSO_PORT_LATENTS, {golden_.input("latents")[0]});
    run.feed(GESSO_PORT_TEXT, {golden_.input("prompt_embeds")});
    run.feed_whole(GESSO_PORT_TIMESTEP, golden_.input("timestep"));
    auto results = run.run(runtime::CallScope(nobody_), {});
    return results.at(GESSO_PORT_PREDICTION).at(0).unsqueeze(0);
  }

  /// The weights that the case lists, as they are used.
  void add_weights(Tensors& outputs) {
    gesso_weights& weights = *parts_->get("denoiser").weights();
    const auto targets = weights.targets();
    for (const std::string name : golden_.params().at("fused_weights")) {
      for (size_t i = 0; i < targets.size(); ++i) {
        if (targets[i].name + ".weight" == name) outputs["fused." + name] = weights.placed(i);
      }
    }
  }

 private:
  const Case& golden_;
  std::shared_ptr<registry::Registry> registry_;
  const runtime::Watch nobody_;
  config::PipelinePlan plan_;
  std::unique_ptr<runtime::Parts> parts_;
  std::unique_ptr<runtime::Adapters> adapters_;
};

Tensors apply(const Context& context, const Case& golden) {
  Tensors outputs;
  for (const Mode mode : {Mode::Runtime, Mode::Fuse}) {
    Adapted adapted(context, golden);
    for (const auto& lora : golden.params().at("loras")) {
      adapted.add(lora.at("name"), "org.gesso.lora.source", lora.at("scale"), mode);
    }
    outputs[mode == Mode::Fuse ? "noise_pred_fused" : "noise_pred"] = adapted.denoise();
    if (mode == Mode::Fuse) adapted.add_weights(outputs);
  }
  return outputs;
}

Tensors lycoris(const Context& context, const Case& golden) {
  const bool is_dora = golden.params().at("family").get<std::string>().starts_with("dora");
  const std::string source = is_dora ? "org.gesso.dora.source" : "org.gesso.lycoris.source";
  Adapted adapted(context, golden);
  adapted.add("lora", source, golden.params().at("scale"), Mode::Runtime);
  Tensors outputs{{"noise_pred", adapted.denoise()}};
  adapted.add_weights(outputs);
  return outputs;
}

}  // namespace

void add_lora_kinds(std::map<std::string, Compute>& table) {
  table["lora.apply"] = apply;
  table["lora.lycoris"] = lycoris;
}

}  // namespace gesso::golden
