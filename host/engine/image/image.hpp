// Pixels in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gesso::image {

/// A line of text kept in an image file. The key has 1 to 79 ASCII characters, the value is
/// UTF-8 and not empty.
struct TextEntry {
  std::string key, value;
  bool operator==(const TextEntry&) const = default;
};

/// 8-bit pixels, row by row, `channels` interleaved: 3 is RGB, 4 is RGBA with straight alpha.
struct Image {
  int width = 0, height = 0, channels = 3;
  std::vector<uint8_t> pixels;  // height * width * channels
  std::vector<TextEntry> text;

  Image() = default;
  /// All pixels have the value `fill` in every channel.
  Image(int width, int height, int channels, uint8_t fill = 0);

  size_t row_bytes() const { return static_cast<size_t>(width) * channels; }
  uint8_t* row(int y) { return pixels.data() + y * row_bytes(); }
  const uint8_t* row(int y) const { return pixels.data() + y * row_bytes(); }
};

/// Lays `image` on white and drops the alpha channel; an RGB image comes back as it is.
Image on_white(Image image);

/// @throws Error  InvalidArgument, naming `what`, unless sizes are positive, there are 3 or 4
///                channels and the pixels are as many as the sizes say
void check_image(const Image& image, const char* what);

}  // namespace gesso::image
