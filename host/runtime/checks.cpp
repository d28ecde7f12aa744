#include "runtime/checks.hpp"

#include <fmt/format.h>

#include "gesso/cpp/module.hpp"
#include "gesso/kind/denoiser.h"
#include "runtime/controls.hpp"
#include "runtime/image2lora.hpp"

namespace gesso::runtime {
namespace {

void check_noise(const GenerateRequest& request) {
  if (request.rand_device == "cpu") return;
  throw Error(Status::NotSupported,
              fmt::format("rand_device \"{}\": noise is drawn on the \"cpu\" only, "
                          "which gives the same picture on every machine",
                          request.rand_device));
}

void check_inpainting(const GenerateRequest& request) {
  if (!request.inpaint_mask) return;
  if (!request.input_image) {
    throw Error(Status::InvalidArgument,
                "inpaint_mask: there is no input_image that it could be a mask of");
  }
  check_picture_size(request.inpaint_mask, "inpaint_mask", request);
}

void check_edit_images(const Parts& parts, const config::PipelinePlan& plan,
                       const GenerateRequest& request) {
  if (request.edit_images.empty()) return;
  const Instance& denoiser = parts.get("denoiser");
  const ModuleRef module(denoiser.component());
  if (ModuleRef::has_input(module.op(GESSO_OP_DENOISE), GESSO_PORT_IMAGE_LATENTS)) return;
  throw Error(Status::NotSupported,
              fmt::format("edit_image: {} takes no condition images; variant \"{}\" cannot edit "
                          "(an Omni variant can)",
                          denoiser.plan().info->id, plan.variant->name));
}

void check_image2lora(const Parts& parts, const GenerateRequest& request) {
  if (request.image2lora_images.empty() && request.negative_image2lora_images.empty()) return;
  parts.get(kGeneratorRole);
}

}  // namespace

void check_picture_size(const Picture& picture, const std::string& what,
                        const GenerateRequest& request) {
  if (!picture || (picture->width == request.width && picture->height == request.height)) return;
  throw Error(Status::InvalidArgument,
              fmt::format("{} is {}x{}, but the picture is to be {}x{} (width x height); resize "
                          "the image, or set width and height to its size",
                          what, picture->width, picture->height, request.width, request.height));
}

void check_request(const Parts& parts, const config::PipelinePlan& plan,
                   const GenerateRequest& request) {
  check_noise(request);
  check_picture_size(request.input_image, "input_image", request);
  check_inpainting(request);
  check_edit_images(parts, plan, request);
  check_controls(parts, request);
  check_image2lora(parts, request);
}

}  // namespace gesso::runtime
