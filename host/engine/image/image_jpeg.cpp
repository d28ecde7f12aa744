// JPEG by TurboJPEG.
#include <fmt/format.h>
#include <turbojpeg.h>

#include <array>
#include <memory>
#include <optional>

#include "engine/image/codecs.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::image {
namespace {

using Handle = std::unique_ptr<void, decltype(&tjDestroy)>;

Handle checked(tjhandle handle) {
  if (!handle) throw std::bad_alloc();
  return Handle(handle, tjDestroy);
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Flaws that lose no pixel are passed over, as other programs do. The text decides: TurboJPEG's
// code calls every error a warning once there was a warning before it.
void check_decoded(int code, tjhandle handle, std::string_view name) {
  if (code == 0) return;
  const std::string_view text = tjGetErrorStr2(handle);
  for (std::string_view harmless : {"extraneous bytes", "unknown JFIF", "Unknown Adobe"})
    if (has(text, harmless)) return;
  const bool cut = has(text, "Premature end") || has(text, "premature end");
  bad_image(name, cut ? "the JPEG is cut short" : "the JPEG is damaged", text);
}

// --- EXIF orientation -------------------------------------------------------------------------

// Reads numbers from the TIFF block of an EXIF segment; nothing outside of it is touched.
class TiffReader {
 public:
  explicit TiffReader(Bytes tiff) : tiff_(tiff), little_(!tiff.empty() && tiff[0] == 'I') {}

  std::optional<uint32_t> number(size_t at, size_t bytes) const {
    if (at > tiff_.size() || bytes > tiff_.size() - at) return {};
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i)
      value = value << 8 | tiff_[at + (little_ ? bytes - 1 - i : i)];
    return value;
  }

 private:
  Bytes tiff_;
  bool little_;
};

constexpr uint32_t kOrientationTag = 0x0112;

// The orientation of the first directory, 1 (upright) when there is none.
int tiff_orientation(Bytes tiff) {
  const TiffReader reader(tiff);
  const size_t directory = reader.number(4, 4).value_or(0);
  const uint32_t count = reader.number(directory, 2).value_or(0);
  for (uint32_t i = 0; i < count; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (reader.number(entry, 2) != kOrientationTag) continue;
    const uint32_t value = reader.number(entry + 8, 2).value_or(1);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

// Walks the segments before the image data to the one called "Exif".
int exif_orientation(Bytes jpeg) {
  static constexpr std::array<uint8_t, 6> kExif = {'E', 'x', 'i', 'f', 0, 0};
  for (size_t at = 2; at + 4 <= jpeg.size() && jpeg[at] == 0xFF;) {
    const uint8_t marker = jpeg[at + 1];
    const size_t length = jpeg[at + 2] << 8 | jpeg[at + 3];
    if (marker == 0xDA || length < 2 || length > jpeg.size() - at - 2) break;
    const Bytes body = jpeg.subspan(at + 4, length - 2);
    if (marker == 0xE1 && body.size() > kExif.size() &&
        std::equal(kExif.begin(), kExif.end(), body.begin()))
      return tiff_orientation(body.subspan(kExif.size()));
    at += 2 + length;
  }
  return 1;
}

// Orientation as EXIF numbers it: 2 to 4 flip, 5 to 8 swap the axes as well.
Image upright(Image image, int orientation) {
  if (orientation == 1) return image;
  const bool swap = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image turned(swap ? image.height : image.width, swap ? image.width : image.height, 3);
  for (int y = 0; y < turned.height; ++y) {
    for (int x = 0; x < turned.width; ++x) {
      int from_x = swap ? y : x, from_y = swap ? x : y;
      if (flip_x) from_x = image.width - 1 - from_x;
      if (flip_y) from_y = image.height - 1 - from_y;
      std::copy_n(image.row(from_y) + from_x * 3, 3, turned.row(y) + x * 3);
    }
  }
  return turned;
}

// --- CMYK --------------------------------------------------------------------------------------

// CMYK in JPEG files is inverted (Adobe's convention, kept by all writers): 255 is no ink.
// Source: Pillow, src/libImaging/Convert.c (cmyk2rgb) on inverted samples.
Image rgb_of_cmyk(const std::vector<uint8_t>& cmyk, int width, int height) {
  Image image(width, height, 3);
  for (size_t i = 0; i < image.pixels.size() / 3; ++i) {
    const int key = cmyk[i * 4 + 3];
    for (size_t c = 0; c < 3; ++c) {
      const int product = (255 - cmyk[i * 4 + c]) * key + 128;
      image.pixels[i * 3 + c] = static_cast<uint8_t>(key - (((product >> 8) + product) >> 8));
    }
  }
  return image;
}

struct Header {
  int width = 0, height = 0, subsampling = 0, colorspace = 0;
};

std::vector<uint8_t> unpack(tjhandle handle, Bytes bytes, std::string_view name,
                            const Header& header, TJPF format) {
  const size_t pixel_bytes = static_cast<size_t>(tjPixelSize[format]);
  std::vector<uint8_t> pixels(pixel_bytes * header.width * header.height);
  check_decoded(tjDecompress2(handle, bytes.data(), bytes.size(), pixels.data(), header.width, 0,
                              header.height, format, TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS),
                handle, name);
  return pixels;
}

Header read_header(tjhandle handle, Bytes bytes, std::string_view name, int64_t max_pixels) {
  Header header;
  check_decoded(tjDecompressHeader3(handle, bytes.data(), bytes.size(), &header.width,
                                    &header.height, &header.subsampling, &header.colorspace),
                handle, name);
  if (header.width == 0) bad_image(name, "the JPEG is cut short", "it ends before the picture");
  check_size(name, header.width, header.height, max_pixels);
  return header;
}

}  // namespace

Size jpeg_size(Bytes bytes, std::string_view name) {
  const Handle handle = checked(tjInitDecompress());
  const Header header = read_header(handle.get(), bytes, name, DecodeOptions{}.max_pixels);
  if (exif_orientation(bytes) >= 5) return {header.height, header.width};
  return {header.width, header.height};
}

Image decode_jpeg(Bytes bytes, std::string_view name, int64_t max_pixels) {
  const Handle handle = checked(tjInitDecompress());
  const Header header = read_header(handle.get(), bytes, name, max_pixels);

  const bool cmyk = header.colorspace == TJCS_CMYK || header.colorspace == TJCS_YCCK;
  Image image;
  if (cmyk) {
    image = rgb_of_cmyk(unpack(handle.get(), bytes, name, header, TJPF_CMYK), header.width,
                        header.height);
  } else {
    image.width = header.width;
    image.height = header.height;
    image.pixels = unpack(handle.get(), bytes, name, header, TJPF_RGB);
  }
  return upright(std::move(image), exif_orientation(bytes));
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  const Image opaque = on_white(image);
  const Handle handle = checked(tjInitCompress());
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  const int code = tjCompress2(handle.get(), opaque.pixels.data(), opaque.width, 0, opaque.height,
                               TJPF_RGB, &buffer, &size, TJSAMP_444, quality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owner(buffer, tjFree);
  if (code != 0)
    throw Error(Status::InvalidArgument,
                fmt::format("cannot make a JPEG of {}x{} pixels: {}", image.width, image.height,
                            tjGetErrorStr2(handle.get())));
  return {buffer, buffer + size};
}

}  // namespace gesso::image
