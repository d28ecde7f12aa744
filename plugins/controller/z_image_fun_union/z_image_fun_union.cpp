// Z-Image-Turbo-Fun-Controlnet-Union-2.1: pictures after maps of many kinds (canny, depth, pose,
// HED, scribble, gray), and inpainting.
//
// The network is plugins/common/z_image_control; this plugin gives it its name and the variants
// their defaults. No parameters beside those of controlnet_inputs.
//
// Example:
//   variant = "z-image-turbo-fun-controlnet-union-2.1"
//   [components.controlnet]
//   path = "Z-Image-Turbo-Fun-Controlnet-Union-2.1.safetensors"
//   [generate]
//   controlnet_inputs = [{ image = "depth.png", scale = 0.7 }]
//
// Source: DiffSynth-Studio, models/z_image_controlnet.py.
#include "gesso/cpp/plugin.hpp"
#include "z_image_control/controller.hpp"

namespace gesso::z_image_fun_union {
namespace {

class Union : public z_image_control::Controller<Union> {
 public:
  static constexpr Info info{
      .id = "org.gesso.z_image_fun_union.controller",
      .kind = "controller",
      .name = "Z-Image-Turbo Fun ControlNet Union",
      .version = "1.0.0",
      .summary = "Canny, depth, pose, HED, scribble and gray maps, and inpainting"};
};

}  // namespace
}  // namespace gesso::z_image_fun_union

GESSO_EXPORT_PLUGIN("org.gesso.z_image_fun_union", "1.0.0", "Gesso", "Apache-2.0",
                    gesso::z_image_fun_union::Union)
