#include "engine/image/image.hpp"

#include <fmt/format.h>

#include "gesso/cpp/error.hpp"

namespace gesso::image {
namespace {

// value * alpha + 255 * (255 - alpha), divided by 255 and rounded to nearest.
uint8_t over_white(unsigned value, unsigned alpha) {
  return static_cast<uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

}  // namespace

Image::Image(int width, int height, int channels, uint8_t fill)
    : width(width),
      height(height),
      channels(channels),
      pixels(static_cast<size_t>(width) * height * channels, fill) {}

Image on_white(Image image) {
  if (image.channels == 3) return image;
  const size_t count = static_cast<size_t>(image.width) * image.height;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* from = &image.pixels[i * 4];
    const uint8_t alpha = from[3];
    for (size_t c = 0; c < 3; ++c) image.pixels[i * 3 + c] = over_white(from[c], alpha);
  }
  image.pixels.resize(count * 3);
  image.channels = 3;
  return image;
}

void check_image(const Image& image, const char* what) {
  const bool sizes = image.width > 0 && image.height > 0;
  const bool channels = image.channels == 3 || image.channels == 4;
  if (sizes && channels && image.pixels.size() == image.row_bytes() * image.height) return;
  throw Error(Status::InvalidArgument,
              fmt::format("{}: expected an image of 1x1 or more with 3 or 4 channels, got {}x{}x{} "
                          "with {} bytes",
                          what, image.width, image.height, image.channels, image.pixels.size()));
}

}  // namespace gesso::image
