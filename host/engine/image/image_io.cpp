#include "engine/image/image_io.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "engine/base/atomic_file.hpp"
#include "engine/base/mapped_file.hpp"
#include "engine/image/codecs.hpp"
#include "engine/image/image_size.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::image {
namespace {

namespace fs = std::filesystem;
using std::string_view_literals::operator""sv;

bool starts_with(Bytes bytes, std::string_view magic, size_t at = 0) {
  return bytes.size() >= at + magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin() + at,
                    [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

bool is_png(Bytes bytes) { return starts_with(bytes, "\x89PNG\r\n\x1a\n"); }
bool is_jpeg(Bytes bytes) { return starts_with(bytes, "\xff\xd8\xff"); }
bool is_webp(Bytes bytes) { return starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8); }

// What a file is that is none of ours, as far as its first bytes tell.
std::string guess(Bytes bytes) {
  static constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
      {"GIF8", "a GIF image"},         {"BM", "a BMP image"},
      {"II*\0"sv, "a TIFF image"},     {"MM\0*"sv, "a TIFF image"},
      {"<svg", "an SVG drawing"},      {"<!DOCTYPE", "a web page"},
      {"<html", "a web page"},         {"%PDF", "a PDF document"},
      {"PK\x03\x04", "a zip archive"}, {"version https://git-lfs", "a Git LFS pointer"},
  };
  for (const auto& [magic, what] : kKnown)
    if (starts_with(bytes, magic)) return fmt::format("it looks like {}", what);
  if (starts_with(bytes, "ftyp", 4)) return "it looks like AVIF, HEIC or a film";
  std::string text = "it begins with";
  for (uint8_t byte : bytes.first(std::min<size_t>(bytes.size(), 8)))
    text += fmt::format(" {:02x}", byte);
  return text;
}

[[noreturn]] void not_an_image(Bytes bytes, std::string_view name) {
  bad_image(name, "not an image that can be read (PNG, JPEG, WebP)",
            bytes.empty() ? "the file is empty" : guess(bytes));
}

std::vector<uint8_t> read_bytes(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error))
    throw Error(Status::InvalidArgument,
                fmt::format("{}: is a folder, expected an image file", path.string()));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw Error(errno == ENOENT || errno == ENOTDIR ? Status::NotFound : Status::Denied,
                fmt::format("{}: cannot open the image: {}", path.string(),
                            std::generic_category().message(errno)));
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  if (file.bad())
    throw Error(Status::BadData, fmt::format("{}: cannot read the image", path.string()));
  return bytes;
}

Image decode_any(Bytes bytes, std::string_view name, int64_t max_pixels) {
  if (is_png(bytes)) return decode_png(bytes, name, max_pixels);
  if (is_jpeg(bytes)) return decode_jpeg(bytes, name, max_pixels);
  if (is_webp(bytes)) return decode_webp(bytes, name, max_pixels);
  not_an_image(bytes, name);
}

}  // namespace

void bad_image(std::string_view name, std::string_view what, std::string_view detail) {
  throw Error(Status::BadData, fmt::format("{}: {}: {}", name, what, detail));
}

void check_size(std::string_view name, uint64_t width, uint64_t height, int64_t max_pixels) {
  if (width == 0 || height == 0)
    bad_image(name, "the image has no pixels", fmt::format("its size is {}x{}", width, height));
  if (width * height > static_cast<uint64_t>(max_pixels))
    throw Error(Status::InvalidArgument,
                fmt::format("{}: the image is {}x{} = {} pixels, the limit is {}; make it smaller",
                            name, width, height, width * height, max_pixels));
}

Image decode(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  Image image = decode_any(bytes, name, options.max_pixels);
  return options.alpha == Alpha::Keep ? image : on_white(std::move(image));
}

Image load(const fs::path& path, const DecodeOptions& options) {
  return decode(read_bytes(path), path.string(), options);
}

Size size_of(const fs::path& path) {
  const auto file = base::MappedFile::open(path);
  const Bytes bytes(reinterpret_cast<const uint8_t*>(file->bytes().data()), file->bytes().size());
  const std::string name = path.string();
  if (is_png(bytes)) return png_size(bytes, name);
  if (is_jpeg(bytes)) return jpeg_size(bytes, name);
  if (is_webp(bytes)) return webp_size(bytes, name);
  not_an_image(bytes, name);
}

Format format_of(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == ".png") return Format::Png;
  if (extension == ".jpg" || extension == ".jpeg") return Format::Jpeg;
  if (extension == ".webp") return Format::Webp;
  throw Error(Status::InvalidArgument,
              fmt::format("{}: cannot tell the image format from the extension \"{}\"; "
                          "use .png, .jpg, .jpeg or .webp",
                          path.string(), extension));
}

std::vector<uint8_t> encode(const Image& image, Format format, const EncodeOptions& options) {
  check_image(image, "encode");
  if (options.quality < 1 || options.quality > 100)
    throw Error(Status::InvalidArgument,
                fmt::format("encode: quality is {}, expected 1 to 100", options.quality));
  switch (format) {
    case Format::Png:
      return encode_png(image);
    case Format::Jpeg:
      return encode_jpeg(image, options.quality);
    case Format::Webp:
      return encode_webp(image, options.quality, options.lossless);
  }
  throw Error(Status::InvalidArgument, "encode: unknown image format");
}

void save(const Image& image, const fs::path& path, const EncodeOptions& options) {
  const std::vector<uint8_t> bytes = encode(image, format_of(path), options);
  base::write_file(path, std::as_bytes(std::span(bytes)));
}

std::vector<TextEntry> read_png_text(const fs::path& path) {
  const std::vector<uint8_t> bytes = read_bytes(path);
  if (is_png(bytes)) return png_text(bytes, path.string());
  if (is_jpeg(bytes) || is_webp(bytes))
    bad_image(path.string(), "no PNG", "only PNG files carry the parameters of their generation");
  not_an_image(bytes, path.string());
}

}  // namespace gesso::image
