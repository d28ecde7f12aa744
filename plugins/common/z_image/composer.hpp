// The composer of the Z-Image family: a chat template around each prompt, then tokenizer and text
// encoder of the same pipeline.
//
//   class TurboComposer : public z_image::Composer<TurboComposer> {
//    public:
//     static constexpr Info info{.id = "org.gesso.z_image_turbo.composer", ...};
//   };
#pragma once

#include <string>

#include "gesso/cpp/module.hpp"
#include "gesso/kind/composer.h"
#include "gesso/kind/text_encoder.h"

namespace gesso::z_image {

/// One user message, ready for the answer; thinking is left on, which adds nothing.
std::string chat_text(const std::string& prompt);

/// The operation "compose".
/// @throws Error  InvalidArgument when there is no prompt; NotFound when the pipeline has no
/// tokenizer or
///                text encoder
void compose(const Host& host, const Call& call, const Inputs& inputs, Outputs& outputs);

template <class T>
class Composer : public Component<T, ModuleInterface> {
 public:
  static const std::vector<Op<T>>& ops() {
    static const std::vector<Op<T>> list{
        {.name = GESSO_OP_COMPOSE,
         .inputs = {},
         .outputs = {{GESSO_PORT_TEXT, "L D", kPerItem, "f32|bf16"},
                     {GESSO_PORT_TOKEN_IDS, "L", kPerItem, "i64"}},
         .run = &T::run}};
    return list;
  }
  void run(const Call& call, const Inputs& inputs, Outputs& outputs) {
    compose(this->host(), call, inputs, outputs);
  }
};

}  // namespace gesso::z_image
