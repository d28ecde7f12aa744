#include "engine/image/canvas.hpp"

#include <algorithm>
#include <string>

#include "gesso/cpp/error.hpp"

namespace gesso::image {
namespace {

constexpr int kPasses = 3;  // of a box: close to a Gaussian
constexpr uint8_t kBlack = 0, kWhite = 255;

int up_to(int size, int multiple) { return (size + multiple - 1) / multiple * multiple - size; }

/// One pass over `count` values that lie `step` apart; beyond the ends the last value goes on.
void box(const uint8_t* from, uint8_t* to, int count, size_t step, int radius) {
  const auto at = [&](int i) { return from[std::clamp(i, 0, count - 1) * step]; };
  const int width = 2 * radius + 1;
  int sum = 0;
  for (int i = -radius; i <= radius; ++i) sum += at(i);
  for (int i = 0; i < count; ++i) {
    to[i * step] = static_cast<uint8_t>((sum + radius) / width);
    sum += at(i + radius + 1) - at(i - radius);
  }
}

}  // namespace

Margins rounded_up(Margins margins, const Image& picture, int multiple) {
  margins.right += up_to(picture.width + margins.left + margins.right, multiple);
  margins.bottom += up_to(picture.height + margins.top + margins.bottom, multiple);
  return margins;
}

Image with_margins(const Image& picture, const Margins& m) {
  Image canvas(picture.width + m.left + m.right, picture.height + m.top + m.bottom,
               picture.channels);
  const auto channels = static_cast<size_t>(picture.channels);
  for (int y = 0; y < canvas.height; ++y) {
    const uint8_t* from = picture.row(std::clamp(y - m.top, 0, picture.height - 1));
    uint8_t* to = canvas.row(y);
    for (int x = 0; x < canvas.width; ++x) {
      const auto column = static_cast<size_t>(std::clamp(x - m.left, 0, picture.width - 1));
      std::copy_n(from + column * channels, channels, to + static_cast<size_t>(x) * channels);
    }
  }
  return canvas;
}

Image outside_mask(const Image& picture, const Margins& m, const Image* inner) {
  if (inner && (inner->width != picture.width || inner->height != picture.height)) {
    throw Error(Status::InvalidArgument,
                "inpaint_mask: expected the size of input_image, " + std::to_string(picture.width) +
                    " x " + std::to_string(picture.height) + ", found " +
                    std::to_string(inner->width) + " x " + std::to_string(inner->height));
  }
  Image mask(picture.width + m.left + m.right, picture.height + m.top + m.bottom, 3, kWhite);
  const Image kept = inner ? on_white(*inner) : Image(picture.width, picture.height, 3, kBlack);
  for (int y = 0; y < picture.height; ++y) {
    std::copy_n(kept.row(y), kept.row_bytes(),
                mask.row(y + m.top) + static_cast<size_t>(m.left) * 3);
  }
  return mask;
}

Image blurred(const Image& picture, int radius) {
  Image result = picture, other = picture;
  const int each = std::max(1, radius / kPasses);
  const auto channels = static_cast<size_t>(picture.channels);
  for (int pass = 0; pass < kPasses; ++pass) {
    for (size_t c = 0; c < channels; ++c) {
      for (int y = 0; y < picture.height; ++y) {
        box(result.row(y) + c, other.row(y) + c, picture.width, channels, each);
      }
      for (int x = 0; x < picture.width; ++x) {
        const size_t column = static_cast<size_t>(x) * channels + c;
        box(other.row(0) + column, result.row(0) + column, picture.height, picture.row_bytes(),
            each);
      }
    }
  }
  return result;
}

}  // namespace gesso::image
