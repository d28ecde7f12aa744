#include <gesso/kind/codec.h>
#include <gesso/kind/text_encoder.h>

#include "parts.hpp"

namespace pixel_art {
namespace {

constexpr int64_t kSide = 4;  // pixels of a cell

/// Three planes of float32, row by row.
struct Planes {
  std::span<float> values;
  int64_t height, width;
  float& at(int64_t c, int64_t y, int64_t x) const {
    return values[static_cast<size_t>((c * height + y) * width + x)];
  }
};

Planes planes(const DLTensor& t) {
  const bool fits = t.ndim == 3 && t.shape[0] == 3 && gesso::same_type(t.dtype, gesso::kF32);
  if (!fits) {
    throw gesso::Error(gesso::Status::InvalidArgument,
                       "pixel_art: expected float32 [3, height, width], found " +
                           gesso::shape_text(gesso::shape_of(t)));
  }
  return {gesso::elements<float>(t), t.shape[1], t.shape[2]};
}

gesso::Tensor make_planes(int64_t height, int64_t width) {
  const int64_t shape[] = {3, height, width};
  return gesso::Tensor::empty(gesso::kF32, shape);
}

gesso::Tensor shrink(const Planes& from) {
  if (from.height % kSide || from.width % kSide) {
    throw gesso::Error(gesso::Status::InvalidArgument,
                       "pixel_art: height and width must be multiples of 4");
  }
  gesso::Tensor out = make_planes(from.height / kSide, from.width / kSide);
  const Planes to = planes(out.dl());
  std::fill(to.values.begin(), to.values.end(), 0.0f);
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < from.height; ++y)
      for (int64_t x = 0; x < from.width; ++x)
        to.at(c, y / kSide, x / kSide) += from.at(c, y, x) / (kSide * kSide);
  return out;
}

gesso::Tensor magnify(const Planes& from) {
  gesso::Tensor out = make_planes(from.height * kSide, from.width * kSide);
  const Planes to = planes(out.dl());
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < to.height; ++y)
      for (int64_t x = 0; x < to.width; ++x) to.at(c, y, x) = from.at(c, y / kSide, x / kSide);
  return out;
}

}  // namespace

const std::vector<gesso::Op<Codec>>& Codec::ops() {
  using namespace gesso;
  static const std::vector<Op<Codec>> list{
      {.name = GESSO_OP_ENCODE,
       .inputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
       .outputs = {{GESSO_PORT_LATENTS, "C h w", kPerItem, "f32"}},
       .run = &Codec::encode},
      {.name = GESSO_OP_DECODE,
       .inputs = {{GESSO_PORT_LATENTS, "C h w", kPerItem, "f32"}},
       .outputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
       .run = &Codec::decode}};
  return list;
}

void Codec::encode(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
  int32_t item = 0;
  for (const gesso_tensor_t* pixels : inputs.list(GESSO_PORT_PIXELS)) {
    call.poll();
    outputs.put(GESSO_PORT_LATENTS, item++, shrink(planes(pixels->dl_tensor)));
  }
}

void Codec::decode(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
  int32_t item = 0;
  for (const gesso_tensor_t* latents : inputs.list(GESSO_PORT_LATENTS)) {
    call.poll();
    outputs.put(GESSO_PORT_PIXELS, item++, magnify(planes(latents->dl_tensor)));
  }
}

}  // namespace pixel_art
