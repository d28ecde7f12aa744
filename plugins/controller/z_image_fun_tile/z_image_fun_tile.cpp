// Z-Image-Turbo-Fun-Controlnet-Tile-2.1-8steps: a low-resolution picture, stretched to the size of
// the new one, gets its details.
//
// The network is plugins/common/z_image_control; this plugin gives it its name and the variant its
// defaults. No parameters beside those of controlnet_inputs.
//
// Example:
//   variant = "z-image-turbo-fun-controlnet-tile-2.1-8steps"
//   [components.controlnet]
//   path = "Z-Image-Turbo-Fun-Controlnet-Tile-2.1-8steps.safetensors"
//   [generate]
//   controlnet_inputs = [{ image = "low_resolution.png", scale = 0.7 }]
//
// Source: DiffSynth-Studio, models/z_image_controlnet.py.
#include "gesso/cpp/plugin.hpp"
#include "z_image_control/controller.hpp"

namespace gesso::z_image_fun_tile {
namespace {

class Tile : public z_image_control::Controller<Tile> {
 public:
  static constexpr Info info{.id = "org.gesso.z_image_fun_tile.controller",
                             .kind = "controller",
                             .name = "Z-Image-Turbo Fun ControlNet Tile",
                             .version = "1.0.0",
                             .summary = "From a low-resolution picture to a detailed one"};
};

}  // namespace
}  // namespace gesso::z_image_fun_tile

GESSO_EXPORT_PLUGIN("org.gesso.z_image_fun_tile", "1.0.0", "Gesso", "Apache-2.0",
                    gesso::z_image_fun_tile::Tile)
