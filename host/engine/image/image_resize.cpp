#include "engine/image/image_resize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gesso/cpp/bilinear.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::image {
namespace {

// --- one axis ----------------------------------------------------------------------------------

using bilinear::Tap;

std::vector<Tap> taps_of(int in_size, int out_size) {
  std::vector<Tap> taps;
  const double scale = static_cast<double>(in_size) / out_size;
  for (int i = 0; i < out_size; ++i) taps.push_back(bilinear::tap_of(i, in_size, scale));
  return taps;
}

Image resize_rows(const Image& image, int width) {
  const std::vector<Tap> taps = taps_of(image.width, width);
  Image out(width, image.height, image.channels);
  for (int y = 0; y < image.height; ++y) {
    uint8_t* to = out.row(y);
    for (const Tap& tap : taps) {
      const uint8_t* from = image.row(y) + tap.first * image.channels;
      for (int c = 0; c < image.channels; ++c) {
        int32_t sum = bilinear::kHalf;
        for (size_t i = 0; i < tap.weights.size(); ++i)
          sum += from[i * image.channels + c] * tap.weights[i];
        *to++ = bilinear::pixel(sum);
      }
    }
  }
  return out;
}

Image resize_columns(const Image& image, int height) {
  const std::vector<Tap> taps = taps_of(image.height, height);
  Image out(image.width, height, image.channels);
  std::vector<int32_t> sums(image.row_bytes());
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), bilinear::kHalf);
    for (size_t i = 0; i < taps[y].weights.size(); ++i) {
      const uint8_t* from = image.row(static_cast<int>(taps[y].first) + static_cast<int>(i));
      for (size_t x = 0; x < sums.size(); ++x) sums[x] += from[x] * taps[y].weights[i];
    }
    std::transform(sums.begin(), sums.end(), out.row(y), bilinear::pixel);
  }
  return out;
}

// --- alpha -------------------------------------------------------------------------------------

// PIL's product of two bytes: a * b / 255, rounded.
uint8_t multiply(int a, int b) {
  const int product = a * b + 128;
  return static_cast<uint8_t>(((product >> 8) + product) >> 8);
}

// Colour times alpha, so that transparent pixels do not bleed into their neighbours.
void premultiply(Image& image) {
  for (size_t i = 0; i < image.pixels.size(); i += 4)
    for (size_t c = 0; c < 3; ++c)
      image.pixels[i + c] = multiply(image.pixels[i + c], image.pixels[i + 3]);
}

void unpremultiply(Image& image) {
  for (size_t i = 0; i < image.pixels.size(); i += 4) {
    const int alpha = image.pixels[i + 3];
    if (alpha == 0 || alpha == 255) continue;
    for (size_t c = 0; c < 3; ++c)
      image.pixels[i + c] = static_cast<uint8_t>(std::min(255, 255 * image.pixels[i + c] / alpha));
  }
}

Image resize_plain(const Image& image, Size size) {
  Image out = size.width == image.width ? image : resize_rows(image, size.width);
  return size.height == image.height ? out : resize_columns(out, size.height);
}

// --- sizes -------------------------------------------------------------------------------------

// Python's round: halves go to the even neighbour (the default mode of nearbyint).
int round_half_even(double value) { return static_cast<int>(std::nearbyint(value)); }

void check_target(Size size, const char* what) {
  if (size.width < 1 || size.height < 1)
    throw Error(Status::InvalidArgument,
                fmt::format("{}: expected a size of 1x1 or more, got {}x{}", what, size.width,
                            size.height));
}

}  // namespace

Image resize_bilinear(const Image& image, Size size) {
  check_image(image, "resize");
  check_target(size, "resize");
  if (size == Size{image.width, image.height}) return image;
  Image source = image;
  if (image.channels == 4) premultiply(source);
  Image out = resize_plain(source, size);
  if (image.channels == 4) unpremultiply(out);
  out.text = image.text;
  return out;
}

Image center_crop(const Image& image, Size size) {
  check_image(image, "crop");
  check_target(size, "crop");
  if (size.width > image.width || size.height > image.height)
    throw Error(Status::InvalidArgument,
                fmt::format("crop: {}x{} does not fit in an image of {}x{}", size.width,
                            size.height, image.width, image.height));
  const int left = round_half_even((image.width - size.width) / 2.0);
  const int top = round_half_even((image.height - size.height) / 2.0);
  Image out(size.width, size.height, image.channels);
  for (int y = 0; y < size.height; ++y)
    std::copy_n(image.row(top + y) + left * image.channels, out.row_bytes(), out.row(y));
  out.text = image.text;
  return out;
}

Image crop_and_resize(const Image& image, Size target) {
  check_image(image, "crop_and_resize");
  check_target(target, "crop_and_resize");
  const double scale = std::max(static_cast<double>(target.width) / image.width,
                                static_cast<double>(target.height) / image.height);
  const Size cover{round_half_even(image.width * scale), round_half_even(image.height * scale)};
  return center_crop(resize_bilinear(image, cover), target);
}

Size limited_size(Size size, int64_t max_pixels, int height_factor, int width_factor) {
  check_target(size, "limited_size");
  if (max_pixels < 1 || height_factor < 1 || width_factor < 1)
    throw Error(Status::InvalidArgument,
                fmt::format("limited_size: max_pixels {} and factors {}, {} must be positive",
                            max_pixels, height_factor, width_factor));
  Size limited = size;
  const double area = static_cast<double>(size.width) * size.height;
  if (area > static_cast<double>(max_pixels)) {
    const double scale = std::pow(area / static_cast<double>(max_pixels), 0.5);
    limited = {static_cast<int>(size.width / scale), static_cast<int>(size.height / scale)};
  }
  limited.width = limited.width / width_factor * width_factor;
  limited.height = limited.height / height_factor * height_factor;
  if (limited.width < 1 || limited.height < 1)
    throw Error(Status::InvalidArgument,
                fmt::format("an image of {}x{} is too small or too narrow: no side may fall below "
                            "{} (width) or {} (height) within {} pixels",
                            size.width, size.height, width_factor, height_factor, max_pixels));
  return limited;
}

Image crop_and_resize(const Image& image, int64_t max_pixels, int height_factor, int width_factor) {
  check_image(image, "crop_and_resize");
  return crop_and_resize(
      image, limited_size({image.width, image.height}, max_pixels, height_factor, width_factor));
}

}  // namespace gesso::image
