// The controller component; the plugin of a checkpoint gives it its name.
//
//   class Union : public z_image_control::Controller<Union> {
//    public:
//     static constexpr Info info{.id = "org.gesso.z_image_fun_union.controller", ...};
//   };
#pragma once

#include <optional>

#include "gesso/cpp/torch.hpp"
#include "gesso/kind/controller.h"
#include "z_image_control/context.hpp"
#include "z_image_control/control_net.hpp"
#include "z_image_control/initial_weights.hpp"

namespace gesso::z_image_control {

template <class T>
class Controller : public Component<T, ModuleInterface, ControllerInterface,
                                    ControlTrainingInterface, InitialWeightsInterface> {
 public:
  static constexpr const char* initial_role = "denoiser";
  static const std::vector<Op<T>>& ops() {
    static const std::vector<Op<T>> list{
        {.name = GESSO_OP_CONTEXT,
         .inputs = {{GESSO_PORT_IMAGE, "3 H W", kOptional, "f32|bf16"},
                    {GESSO_PORT_INPAINT_IMAGE, "3 H W", kOptional, "f32|bf16"},
                    {GESSO_PORT_INPAINT_MASK, "3 H W", kOptional, "f32|bf16"}},
         .outputs = {{GESSO_PORT_CONTEXT, "C h w", 0, "f32|bf16"}},
         .run = &T::context}};
    return list;
  }
  void prepare(const Setup& setup) {
    if (setup.weights) net_.emplace(setup);
  }
  void context(const Call& call, const Inputs& inputs, Outputs& outputs) {
    make_context(this->host(), call, inputs, outputs);
  }
  std::unique_ptr<Injector> open(const Call&, gesso_tensor_t* context, double scale,
                                 const PointList& points) {
    return net().open(torch::borrow(context), scale, points);
  }
  std::unique_ptr<TrainedInjector> open_training(const Call&, gesso_tensor_t* context, double scale,
                                                 const PointList& points,
                                                 const ControlTraining& training) {
    return net().open_training(torch::borrow(context), scale, points, training);
  }
  std::vector<InitialWeight> initial_weights(const Weights& base) {
    return z_image_control::initial_weights(base);
  }

 private:
  ControlNet& net() {
    if (!net_) throw Error(Status::InvalidArgument, "the ControlNet was given no weights file");
    return *net_;
  }
  std::optional<ControlNet> net_;
};

}  // namespace gesso::z_image_control
