#include <gesso/kind/composer.h>
#include <gesso/kind/text_encoder.h>

#include <cctype>

#include "parts.hpp"

namespace pixel_art {
namespace {

constexpr size_t kWidth = 64;

/// draw.py counts the captions of its pictures in the same way.
std::vector<float> count_pairs(const std::string& text) {
  std::vector<float> counts(kWidth);
  int last = ' ';
  for (const char c : text + " ") {
    const int now = std::tolower(static_cast<unsigned char>(c));
    counts[static_cast<size_t>(last * 31 + now) % kWidth] += 1;
    last = now;
  }
  return counts;
}

}  // namespace

const std::vector<gesso::Op<Composer>>& Composer::ops() {
  static const std::vector<gesso::Op<Composer>> list{
      {.name = GESSO_OP_COMPOSE,
       .inputs = {},
       .outputs = {{GESSO_PORT_TEXT, "L D", gesso::kPerItem, "f32"}},
       .run = &Composer::compose}};
  return list;
}

void Composer::compose(const gesso::Call& call, const gesso::Inputs& inputs,
                       gesso::Outputs& outputs) {
  const std::vector<std::string> prompts = inputs.values().texts("prompt");
  if (prompts.empty()) {
    throw gesso::Error(gesso::Status::InvalidArgument, "compose: no prompt was given");
  }
  int32_t item = 0;
  for (const std::string& prompt : prompts) {
    call.poll();
    const std::vector<float> counts = count_pairs(prompt);
    const int64_t shape[] = {1, kWidth};
    gesso::Tensor text = gesso::Tensor::empty(gesso::kF32, shape);
    std::copy(counts.begin(), counts.end(), gesso::elements<float>(text.dl()).begin());
    outputs.put(GESSO_PORT_TEXT, item++, std::move(text));
  }
}

}  // namespace pixel_art
