// The functions of gesso/engine/image.h.
#include <vector>

#include "engine/api/handles.hpp"
#include "engine/image/contact_sheet.hpp"
#include "engine/image/image_io.hpp"

using gesso::Error;
using gesso::guard;
using gesso::Status;
using gesso::api::given;
using gesso::image::Image;

namespace {

gesso_image_t* give_image(Image&& image) {
  return new gesso_image{std::make_shared<const Image>(std::move(image))};
}

void save(const gesso_image_t* image, const char* path, uint32_t quality) {
  const std::string file = gesso::api::read_text(path, "path");
  if (quality < 1 || quality > 100) {
    throw Error(Status::InvalidArgument,
                "quality is " + std::to_string(quality) + ", expected 1 to 100");
  }
  gesso::image::save(*given(image, "image").picture, file,
                     {.quality = static_cast<int>(quality), .lossless = false});
}

}  // namespace

gesso_status_t gesso_image_create(const uint8_t* pixels, uint32_t width, uint32_t height,
                                  uint32_t channels, gesso_image_t** out, gesso_error_t* error) {
  return guard(error, [&] {
    given(out, "out") = nullptr;
    given(pixels, "pixels");
    constexpr uint32_t kLargestEdge = 1u << 16;
    if (width == 0 || height == 0 || width > kLargestEdge || height > kLargestEdge ||
        (channels != 3 && channels != 4)) {
      throw Error(Status::InvalidArgument,
                  "expected a width and a height of 1 to 65536 and 3 or 4 channels, found " +
                      std::to_string(width) + "x" + std::to_string(height) + "x" +
                      std::to_string(channels));
    }
    Image image(static_cast<int>(width), static_cast<int>(height), static_cast<int>(channels));
    image.pixels.assign(pixels, pixels + image.pixels.size());
    *out = give_image(std::move(image));
  });
}

gesso_status_t gesso_image_load(const char* path, gesso_image_t** out, gesso_error_t* error) {
  return guard(error, [&] {
    given(out, "out") = nullptr;
    *out = give_image(gesso::image::load(gesso::api::read_text(path, "path"),
                                         {.alpha = gesso::image::Alpha::Keep}));
  });
}

gesso_status_t gesso_image_save(const gesso_image_t* image, const char* path,
                                gesso_error_t* error) {
  const auto preset = static_cast<uint32_t>(gesso::image::EncodeOptions{}.quality);
  return guard(error, [&] { save(image, path, preset); });
}

gesso_status_t gesso_image_save_quality(const gesso_image_t* image, const char* path,
                                        uint32_t quality, gesso_error_t* error) {
  return guard(error, [&] { save(image, path, quality); });
}

gesso_status_t gesso_image_sheet(const gesso_image_t* const* images, uint32_t count,
                                 gesso_image_t** out, gesso_error_t* error) {
  return guard(error, [&] {
    given(out, "out") = nullptr;
    if (count > 0) given(images, "images");
    std::vector<Image> pictures;
    for (uint32_t i = 0; i < count; ++i) {
      pictures.push_back(*given(images[i], "one of the images").picture);
    }
    *out = give_image(gesso::image::contact_sheet(pictures));
  });
}

void gesso_image_size(const gesso_image_t* image, uint32_t* width, uint32_t* height,
                      uint32_t* channels) {
  const Image none;
  const Image& picture = image ? *image->picture : none;
  if (width) *width = static_cast<uint32_t>(picture.width);
  if (height) *height = static_cast<uint32_t>(picture.height);
  if (channels) *channels = static_cast<uint32_t>(picture.channels);
}

const uint8_t* gesso_image_pixels(const gesso_image_t* image) {
  return image ? image->picture->pixels.data() : nullptr;
}

const char* gesso_image_text(const gesso_image_t* image, const char* key) {
  if (!image || !key) return nullptr;
  for (const gesso::image::TextEntry& entry : image->picture->text) {
    if (entry.key == key) return entry.value.c_str();
  }
  return nullptr;
}

void gesso_image_release(gesso_image_t* image) { delete image; }
