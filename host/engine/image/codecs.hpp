// One decoder and one encoder per format; image_io.cpp chooses among them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/image/image_io.hpp"
#include "engine/image/image_resize.hpp"

namespace gesso::image {

using Bytes = std::span<const uint8_t>;

// Decoders give RGB, or RGBA when the file has transparency.
Image decode_png(Bytes bytes, std::string_view name, int64_t max_pixels);
Image decode_jpeg(Bytes bytes, std::string_view name, int64_t max_pixels);
Image decode_webp(Bytes bytes, std::string_view name, int64_t max_pixels);

// The size that the decoder would give, from the header alone.
Size png_size(Bytes bytes, std::string_view name);
Size jpeg_size(Bytes bytes, std::string_view name);
Size webp_size(Bytes bytes, std::string_view name);

// Encoders take checked images and options.
std::vector<uint8_t> encode_png(const Image& image);
std::vector<uint8_t> encode_jpeg(const Image& image, int quality);
std::vector<uint8_t> encode_webp(const Image& image, int quality, bool lossless);

std::vector<TextEntry> png_text(Bytes bytes, std::string_view name);

/// Throws InvalidArgument above the limit, BadData for a size of 0.
void check_size(std::string_view name, uint64_t width, uint64_t height, int64_t max_pixels);

/// BadData: "<name>: <what>: <detail>".
[[noreturn]] void bad_image(std::string_view name, std::string_view what, std::string_view detail);

}  // namespace gesso::image
