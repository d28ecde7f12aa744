#include "z_image_control/context.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "gesso/cpp/torch.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/controller.h"
#include "gesso/kind/text_encoder.h"

namespace gesso::z_image_control {
namespace {

constexpr double kNoMap = -1.0;

struct Size {
  int64_t height, width;
};

/// An optional picture of the right size; undefined when it is not given.
at::Tensor picture(const Inputs& inputs, const char* port, const Size& size) {
  const auto list = inputs.list(port);
  if (list.empty()) return {};
  const at::Tensor picture_3HW = torch::borrow(list.front());
  if (picture_3HW.sizes() != at::IntArrayRef({3, size.height, size.width})) {
    throw Error(Status::InvalidArgument,
                std::string(port) + ": expected [3, " + std::to_string(size.height) + ", " +
                    std::to_string(size.width) + "], found " + shape_text(picture_3HW.sizes()));
  }
  return picture_3HW;
}

/// The codec of the pipeline, with the tiling that the values ask for.
class Encoder {
 public:
  Encoder(const Host& host, const Call& call, const Values& values)
      : codec_(host.sibling("codec")), call_(call) {
    if (values.has("tiled")) tiling_.set_boolean("tiled", values.boolean("tiled", false));
    for (const char* key : {"tile_size", "tile_stride"}) {
      if (values.has(key)) tiling_.set_integer(key, values.integer(key, 0));
    }
  }
  /// [3, H, W] -> [C, h, w]
  at::Tensor operator()(const at::Tensor& pixels_3HW) const {
    const Tensor given = torch::give(pixels_3HW.contiguous());
    auto outputs =
        codec_.run(call_.get(), GESSO_OP_ENCODE, {{GESSO_PORT_PIXELS, 0, given.get()}}, tiling_);
    for (Output& output : outputs) {
      if (output.port == GESSO_PORT_LATENTS) return torch::adopt(std::move(output.tensor));
    }
    throw Error(Status::Internal, "the codec gave no latents");
  }

 private:
  ModuleRef codec_;
  const Call& call_;
  ValueList tiling_;
};

}  // namespace

void make_context(const Host& host, const Call& call, const Inputs& inputs, Outputs& outputs) {
  const c10::InferenceMode guard;
  call.poll();
  const Size size{inputs.values().integer("height", 0), inputs.values().integer("width", 0)};
  const at::Tensor map = picture(inputs, GESSO_PORT_IMAGE, size);
  const at::Tensor mask = picture(inputs, GESSO_PORT_INPAINT_MASK, size);
  at::Tensor inpaint = picture(inputs, GESSO_PORT_INPAINT_IMAGE, size);
  if (mask.defined() != inpaint.defined()) {
    throw Error(Status::InvalidArgument,
                "inpaint_image and inpaint_mask belong together, found only one of them");
  }

  const Encoder encode(host, call, inputs.values());
  if (mask.defined()) inpaint = inpaint * mask.lt(0.5);
  if (!inpaint.defined()) {
    const auto type = map.defined() ? map.scalar_type() : at::kFloat;
    inpaint = at::zeros({3, size.height, size.width}, type);
  }
  const at::Tensor inpaint_ChW = encode(inpaint);
  const at::Tensor map_ChW =
      map.defined() ? encode(map) : at::full(inpaint_ChW.sizes(), kNoMap, inpaint_ChW.options());

  const int64_t height = inpaint_ChW.size(1), width = inpaint_ChW.size(2);
  at::Tensor keep_1hw = at::zeros({1, height, width}, inpaint_ChW.options());
  if (mask.defined()) {
    const at::Tensor keep_1HW = mask.narrow(0, 0, 1).neg().add(1).unsqueeze(0);
    keep_1hw = at::upsample_nearest2d(keep_1HW, {height, width}).squeeze(0).to(keep_1hw.options());
  }
  outputs.put(GESSO_PORT_CONTEXT, -1, torch::give(at::cat({map_ChW, keep_1hw, inpaint_ChW})));
}

}  // namespace gesso::z_image_control
