#include "runtime/controls.hpp"

#include <fmt/format.h>

#include <cmath>

#include "engine/registry/json_values.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/controller.h"
#include "gesso/kind/preprocessor.h"
#include "runtime/checks.hpp"
#include "runtime/conditioning.hpp"
#include "runtime/operation_run.hpp"
#include "runtime/sampling.hpp"

namespace gesso::runtime {
namespace {

std::string label(size_t index) { return fmt::format("controlnet_inputs {}", index + 1); }

/// A photograph made a control map by the preprocessor that the input names.
at::Tensor preprocess(const Run& run, const ControlNetInput& input, const at::Tensor& pixels) {
  if (input.processor_id.empty()) return pixels;
  config::ComponentPlan plan;
  plan.role = "preprocessor";
  plan.where = run.plan.name;
  plan.info = &run.plan.registry->component(input.processor_id);
  plan.dtype = "f32";
  plan.values = nlohmann::json::object();
  const auto processor = run.parts.make(plan);
  auto results = OperationRun(processor->component(), GESSO_OP_PROCESS)
                     .feed(GESSO_PORT_PIXELS, {pixels.to(at::kFloat).contiguous()})
                     .run(run.call, registry::values_from_json(input.processor_values));
  return take(results, GESSO_PORT_PIXELS, 1, plan.info->id).front().to(pixels.scalar_type());
}

}  // namespace

at::Tensor control_context(const Run& run, const ControlNetInput& input, size_t index) {
  const Instance& controller = run.parts.get(input.controlnet);
  const at::ScalarType type = run.compute_type("codec");
  OperationRun operation(controller.component(), GESSO_OP_CONTEXT);
  if (input.image) {
    const at::Tensor map = preprocess(run, input, pixels_from_image(*input.image, type));
    run.keep(fmt::format("control_image.{}", index), map);
    operation.feed_whole(GESSO_PORT_IMAGE, map);
  }
  if (input.inpaint_image) {
    operation.feed_whole(GESSO_PORT_INPAINT_IMAGE, pixels_from_image(*input.inpaint_image, type));
  }
  if (input.inpaint_mask) {
    operation.feed_whole(GESSO_PORT_INPAINT_MASK,
                         pixels_from_image(*input.inpaint_mask, type, 0, 1));
  }
  ValueList values = tiling(run.request);
  values.set_integer("height", run.request.height).set_integer("width", run.request.width);
  auto results = operation.run(run.call, values);
  const at::Tensor context =
      take(results, GESSO_PORT_CONTEXT, 1, controller.plan().info->id).front();
  check_finite(context, "encode: the context of " + label(index));
  run.keep(fmt::format("control_context.{}", index), context);
  return context;
}

Controls::Controls(const Run& run, const std::vector<Tile>& tiles) {
  const auto& inputs = run.request.controlnet_inputs;
  std::vector<at::Tensor> contexts;
  for (size_t i = 0; i < inputs.size(); ++i) {
    run.begin("encode", "codec");
    contexts.push_back(control_context(run, inputs[i], i));
    check_covers(contexts.back(), tiles,
                 fmt::format("{}: the context of {}", label(i),
                             run.parts.get(inputs[i].controlnet).plan().info->id));
  }
  for (size_t tile = 0; tile < tiles.size(); ++tile) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const ControlNetInput& input = inputs[i];
      active_.push_back({open_injector(run.parts.get(input.controlnet), run.parts.get("denoiser"),
                                       run.call, cut(contexts[i], tiles[tile]), input.scale),
                         input.start, input.end, tile});
    }
  }
}

std::vector<const gesso_injector*> Controls::at_step(size_t k, size_t n, size_t tile) const {
  std::vector<const gesso_injector*> acting;
  const auto steps = static_cast<double>(n);
  for (const Active& active : active_) {
    if (active.tile != tile) continue;
    const bool early = static_cast<double>(k) / steps < active.start;
    const bool late = static_cast<double>(k + 1) / steps > active.end;
    if (!early && !late) acting.push_back(active.injector.get());
  }
  return acting;
}

void check_controls(const Parts& parts, const GenerateRequest& request) {
  if (request.controlnet_inputs.empty()) return;
  const Instance& denoiser = parts.get("denoiser");
  if (!denoiser.find_interface<gesso_injection_t>(GESSO_INJECTION_ID)) {
    throw Error(Status::NotSupported,
                fmt::format("controlnet_inputs: {} has no points that a ControlNet could act at; "
                            "this variant takes none",
                            denoiser.plan().info->id));
  }
  for (size_t i = 0; i < request.controlnet_inputs.size(); ++i) {
    const ControlNetInput& input = request.controlnet_inputs[i];
    parts.get(input.controlnet).interface<gesso_controller_t>(GESSO_CONTROLLER_ID);
    if (!std::isfinite(input.scale)) {
      throw Error(Status::InvalidArgument, label(i) + ": scale is not a finite number");
    }
    if (!input.inpaint_image != !input.inpaint_mask) {
      throw Error(Status::InvalidArgument,
                  fmt::format("{}: inpaint_image and inpaint_mask belong together, found {} alone",
                              label(i), input.inpaint_mask ? "inpaint_mask" : "inpaint_image"));
    }
    if (!input.image && !input.inpaint_image) {
      throw Error(Status::InvalidArgument,
                  label(i) + ": expected an image, or an inpaint_image with its mask; found none");
    }
    for (const auto& [name, picture] :
         {std::pair("image", input.image), std::pair("inpaint_image", input.inpaint_image),
          std::pair("inpaint_mask", input.inpaint_mask)}) {
      check_picture_size(picture, fmt::format("{}: {}", label(i), name), request);
    }
  }
}

}  // namespace gesso::runtime
