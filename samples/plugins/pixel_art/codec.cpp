#include <gesso/kind/codec.h>
#include <gesso/kind/text_encoder.h>

#include "parts.hpp"

namespace pixel_art {
namespace {

constexpr int64_t kSide = 4;  // pixels of a cell

/// Three planes of numbers, row by row.
struct Planes {
  int64_t height, width;
  std::vector<float> values = std::vector<float>(static_cast<size_t>(3 * height * width));
  float& at(int64_t c, int64_t y, int64_t x) {
    return values[static_cast<size_t>((c * height + y) * width + x)];
  }
};

Planes planes(const DLTensor& t) { return {t.shape[1], t.shape[2], gesso::numbers<float>(t)}; }

gesso::Tensor tensor_of(const Planes& from) {
  const int64_t shape[] = {3, from.height, from.width};
  gesso::Tensor out = gesso::Tensor::empty(gesso::kF32, shape);
  std::copy(from.values.begin(), from.values.end(), gesso::elements<float>(out.dl()).begin());
  return out;
}

Planes shrink(Planes from) {
  if (from.height % kSide || from.width % kSide) {
    throw gesso::Error(gesso::Status::InvalidArgument,
                       "pixel_art: height and width must be multiples of 4");
  }
  Planes to{from.height / kSide, from.width / kSide};
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < from.height; ++y)
      for (int64_t x = 0; x < from.width; ++x)
        to.at(c, y / kSide, x / kSide) += from.at(c, y, x) / (kSide * kSide);
  return to;
}

Planes magnify(Planes from) {
  Planes to{from.height * kSide, from.width * kSide};
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < to.height; ++y)
      for (int64_t x = 0; x < to.width; ++x) to.at(c, y, x) = from.at(c, y / kSide, x / kSide);
  return to;
}

}  // namespace

const std::vector<gesso::Op<Codec>>& Codec::ops() {
  using namespace gesso;
  static const std::vector<Op<Codec>> list{
      {.name = GESSO_OP_ENCODE,
       .inputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
       .outputs = {{GESSO_PORT_LATENTS, "3 h w", kPerItem, "f32"}},
       .run = &Codec::encode},
      {.name = GESSO_OP_DECODE,
       .inputs = {{GESSO_PORT_LATENTS, "3 h w", kPerItem, "f32"}},
       .outputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
       .run = &Codec::decode}};
  return list;
}

void Codec::encode(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
  int32_t item = 0;
  for (const gesso_tensor_t* pixels : inputs.list(GESSO_PORT_PIXELS)) {
    call.poll();
    outputs.put(GESSO_PORT_LATENTS, item++, tensor_of(shrink(planes(pixels->dl_tensor))));
  }
}

void Codec::decode(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
  int32_t item = 0;
  for (const gesso_tensor_t* latents : inputs.list(GESSO_PORT_LATENTS)) {
    call.poll();
    outputs.put(GESSO_PORT_PIXELS, item++, tensor_of(magnify(planes(latents->dl_tensor))));
  }
}

}  // namespace pixel_art
