// ControlNets.
#include "components.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/controller.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "kinds.hpp"
#include "runtime/injector.hpp"
#include "runtime/operation_run.hpp"

namespace gesso::golden {
namespace {

const runtime::Watch kNobody;

config::PipelinePlan plan_of(const Context& context, std::vector<config::ComponentPlan> parts) {
  config::PipelinePlan plan;
  plan.name = "case.json";
  plan.registry = context.registry;
  plan.numerics = "precise";
  plan.components = std::move(parts);
  return plan;
}

Tensors forward(const Context& context, const Case& golden) {
  const std::string dtype = golden.compute_dtype();
  const config::PipelinePlan plan = plan_of(
      context, {weights_plan(*context.registry, golden, "dit", "denoiser", dtype),
                weights_plan(*context.registry, golden, "controlnet", "controlnet", dtype)});
  const runtime::Parts parts(plan, kNobody);
  const runtime::Instance& denoiser = parts.get("denoiser");
  const runtime::CallScope call(kNobody);
  const auto injector = runtime::open_injector(parts.get("controlnet"), denoiser, call,
                                               golden.input("control_context")[0].select(1, 0),
                                               golden.params().at("control_scale"));
  runtime::OperationRun run(denoiser.component(), GESSO_OP_DENOISE);
  run.feed(GESSO_PORT_LATENTS, {golden.input("latents")[0]});
  run.feed(GESSO_PORT_TEXT, {golden.input("prompt_embeds")});
  run.feed_whole(GESSO_PORT_TIMESTEP, golden.input("timestep"));
  run.inject({injector.get()});
  auto results = run.run(call, {});
  return {{"noise_pred", results.at(GESSO_PORT_PREDICTION).at(0).unsqueeze(0)}};
}

at::Tensor picture(const at::Tensor& image_HW3, double low) {
  return image_HW3.permute({2, 0, 1}).to(at::kFloat).mul((1 - low) / 255.0).add(low);
}

Tensors make_context(const Context& context, const Case& golden) {
  const config::PipelinePlan plan = plan_of(
      context, {weights_plan(*context.registry, golden, "vae", "codec", golden.compute_dtype()),
                plain_plan(*context.registry, "controlnet")});
  const runtime::Parts parts(plan, kNobody);
  runtime::OperationRun run(parts.get("controlnet").component(), GESSO_OP_CONTEXT);
  for (const char* name : {GESSO_PORT_IMAGE, GESSO_PORT_INPAINT_IMAGE, GESSO_PORT_INPAINT_MASK}) {
    if (!golden.inputs.contains(name)) continue;
    const double low = std::string(name) == GESSO_PORT_INPAINT_MASK ? 0 : -1;
    run.feed_whole(name, picture(golden.input(name), low));
  }
  ValueList values;
  for (const char* key : {"height", "width"}) values.set_integer(key, golden.params().at(key));
  auto results = run.run(runtime::CallScope(kNobody), values);
  const at::Tensor made = results.at(GESSO_PORT_CONTEXT).at(0);
  return {{"control_context", made.unsqueeze(0).unsqueeze(2)}};
}

}  // namespace

void add_control_kinds(std::map<std::string, Compute>& table) {
  table["controlnet.forward"] = forward;
  table["controlnet.context"] = make_context;
}

}  // namespace gesso::golden
