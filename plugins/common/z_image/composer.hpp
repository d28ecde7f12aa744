// The composer of the Z-Image family: a chat template around each prompt, then tokenizer and text
// encoder of the same pipeline.
//
//   class TurboComposer : public z_image::Composer<TurboComposer> {
//    public:
//     static constexpr Info info{.id = "org.gesso.z_image_turbo.composer", ...};
//   };
#pragma once

#include <string>
#include <vector>

#include "gesso/cpp/module.hpp"
#include "gesso/kind/composer.h"
#include "gesso/kind/text_encoder.h"

namespace gesso::z_image {

/// One user message, ready for the answer; thinking is left on, which adds nothing.
std::string chat_text(const std::string& prompt);

/// The texts that a prompt becomes when it speaks of so many pictures. Each is encoded by itself.
using Segments = std::vector<std::string> (*)(const std::string& prompt, int64_t n_images);

/// `chat_text` alone. @throws Error  InvalidArgument when there are pictures
std::vector<std::string> chat_segment(const std::string& prompt, int64_t n_images);

/// What one prompt became, its segments one after another.
struct Composed {
  Tensor text;                        // [rows, D]
  Tensor token_ids;                   // [tokens]
  std::vector<int64_t> segment_rows;  // of `text`
};

/// The prompts of a run. Segments longer than "max_length" are cut on the right, with a warning.
/// @throws Error  InvalidArgument when there is no prompt; NotFound when the pipeline has no
///                tokenizer or text encoder
std::vector<Composed> compose(const Host& host, const Call& call, const Values& values,
                              Segments segments);

/// [n], as ports carry it.
Tensor integer_tensor(const std::vector<int64_t>& values);

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
    int32_t item = 0;
    for (Composed& prompt : compose(this->host(), call, inputs.values(), chat_segment)) {
      outputs.put(GESSO_PORT_TEXT, item, std::move(prompt.text));
      outputs.put(GESSO_PORT_TOKEN_IDS, item++, std::move(prompt.token_ids));
    }
  }
};

}  // namespace gesso::z_image
