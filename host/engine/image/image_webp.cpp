// WebP by libwebp.
#include <fmt/format.h>
#include <webp/decode.h>
#include <webp/encode.h>

#include "engine/image/codecs.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::image {
namespace {

void check_decoded(VP8StatusCode code, std::string_view name) {
  if (code == VP8_STATUS_OK) return;
  if (code == VP8_STATUS_OUT_OF_MEMORY) throw std::bad_alloc();
  if (code == VP8_STATUS_SUSPENDED || code == VP8_STATUS_NOT_ENOUGH_DATA)
    bad_image(name, "the WebP is cut short", "the image data ends too early");
  bad_image(name, "the WebP is damaged", fmt::format("libwebp status {}", static_cast<int>(code)));
}

void check_features(const WebPBitstreamFeatures& features, std::string_view name,
                    int64_t max_pixels) {
  if (features.has_animation)
    throw Error(Status::NotSupported,
                fmt::format("{}: an animated WebP, expected a still image", name));
  check_size(name, features.width, features.height, max_pixels);
}

// A picture and its output, freed on every way out.
struct Picture {
  WebPPicture picture;
  WebPMemoryWriter writer;

  Picture() {
    WebPMemoryWriterInit(&writer);
    if (!WebPPictureInit(&picture)) throw Error(Status::Internal, "libwebp of another version");
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = &writer;
  }
  ~Picture() {
    WebPPictureFree(&picture);
    WebPMemoryWriterClear(&writer);
  }
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;
};

WebPConfig config_of(int quality, bool lossless) {
  WebPConfig config;
  if (!WebPConfigInit(&config)) throw Error(Status::Internal, "libwebp of another version");
  config.lossless = lossless;
  config.exact = lossless;  // keep the colour of transparent pixels
  config.quality = lossless ? 75.f : static_cast<float>(quality);  // lossless: effort, not loss
  return config;
}

}  // namespace

Image decode_webp(Bytes bytes, std::string_view name, int64_t max_pixels) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) throw Error(Status::Internal, "libwebp of another version");
  check_decoded(WebPGetFeatures(bytes.data(), bytes.size(), &config.input), name);
  check_features(config.input, name, max_pixels);

  Image image(config.input.width, config.input.height, config.input.has_alpha ? 4 : 3);
  config.output.colorspace = config.input.has_alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image.pixels.data();
  config.output.u.RGBA.stride = static_cast<int>(image.row_bytes());
  config.output.u.RGBA.size = image.pixels.size();
  check_decoded(WebPDecode(bytes.data(), bytes.size(), &config), name);
  return image;
}

Size webp_size(Bytes bytes, std::string_view name) {
  WebPBitstreamFeatures features;
  check_decoded(WebPGetFeatures(bytes.data(), bytes.size(), &features), name);
  check_features(features, name, DecodeOptions{}.max_pixels);
  return {features.width, features.height};
}

std::vector<uint8_t> encode_webp(const Image& image, int quality, bool lossless) {
  const WebPConfig config = config_of(quality, lossless);
  if (image.width > WEBP_MAX_DIMENSION || image.height > WEBP_MAX_DIMENSION)
    throw Error(Status::InvalidArgument,
                fmt::format("cannot make a WebP of {}x{} pixels: a side has at most {}; use PNG",
                            image.width, image.height, WEBP_MAX_DIMENSION));
  Picture target;
  target.picture.use_argb = lossless;
  target.picture.width = image.width;
  target.picture.height = image.height;
  const auto import = image.channels == 4 ? WebPPictureImportRGBA : WebPPictureImportRGB;
  if (!import(&target.picture, image.pixels.data(), static_cast<int>(image.row_bytes())))
    throw std::bad_alloc();
  if (!WebPEncode(&config, &target.picture))
    throw Error(Status::InvalidArgument,
                fmt::format("cannot make a WebP of {}x{} pixels: libwebp error {}", image.width,
                            image.height, static_cast<int>(target.picture.error_code)));
  return {target.writer.mem, target.writer.mem + target.writer.size};
}

}  // namespace gesso::image
