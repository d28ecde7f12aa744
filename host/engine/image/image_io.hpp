// Images from files and into files: PNG, JPEG and WebP.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "engine/image/image.hpp"

namespace gesso::image {

enum class Format { Png, Jpeg, Webp };
enum class Alpha { OnWhite, Keep };  // Keep: 4 channels if the file has transparency, else 3

struct DecodeOptions {
  Alpha alpha = Alpha::OnWhite;
  int64_t max_pixels = int64_t{1} << 27;  // larger images are refused before they are unpacked
};

struct EncodeOptions {
  int quality = 95;       // JPEG and lossy WebP, 1 to 100
  bool lossless = false;  // WebP
};

/// Reads an image. The format is told by the content; names do not matter.
///
/// 16-bit samples keep their upper 8 bits; palettes, gray, CMYK and all others become RGB. The EXIF
/// orientation of a JPEG is applied. Colour profiles and gamma are ignored. Of a PNG the text
/// entries are kept in `Image::text`.
///
/// @param name  how error messages call the image
/// @throws Error  BadData when the bytes are no image, cut short or damaged; NotSupported for
///                animated WebP; InvalidArgument above `max_pixels`
Image decode(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& = {});

/// The same from a file. @throws Error  also NotFound and Denied, with the system's text
Image load(const std::filesystem::path& path, const DecodeOptions& = {});

/// Format by the extension: .png .jpg .jpeg .webp in any case.
/// @throws Error  InvalidArgument for any other
Format format_of(const std::filesystem::path& path);

/// The bytes of an image file; the same image always gives the same bytes. PNG keeps `Image::text`
/// (tEXt for ASCII, iTXt for the rest), the others have no room for it. JPEG is 4:4:4 and lays
/// transparent images on white.
///
/// @throws Error  InvalidArgument for an image or options that the format cannot hold
std::vector<uint8_t> encode(const Image& image, Format format, const EncodeOptions& = {});

/// Writes a file in the format of its extension, whole or not at all (see base/atomic_file.hpp).
void save(const Image& image, const std::filesystem::path& path, const EncodeOptions& = {});

/// Text entries of a PNG, in file order. `gesso run --from picture.png` reads all parameters of a
/// generation, as JSON, from the key "gesso".
/// @throws Error  as `load`; BadData when the file is an image but not a PNG
std::vector<TextEntry> read_png_text(const std::filesystem::path& path);

}  // namespace gesso::image
