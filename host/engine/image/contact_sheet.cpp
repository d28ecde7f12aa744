#include "engine/image/contact_sheet.hpp"

#include <algorithm>
#include <cmath>

#include "gesso/cpp/error.hpp"

namespace gesso::image {
namespace {

void paste(const Image& image, Image& sheet, int left, int top) {
  for (int y = 0; y < image.height; ++y)
    std::copy_n(image.row(y), image.row_bytes(), sheet.row(top + y) + left * 3);
}

}  // namespace

Image contact_sheet(std::span<const Image> images, int margin) {
  if (images.empty() || margin < 0)
    throw Error(Status::InvalidArgument,
                "contact_sheet: expected at least one image and a margin of 0 or more");
  int cell_width = 0, cell_height = 0;
  for (const Image& image : images) {
    check_image(image, "contact_sheet");
    cell_width = std::max(cell_width, image.width);
    cell_height = std::max(cell_height, image.height);
  }
  const int count = static_cast<int>(images.size());
  const int columns = static_cast<int>(std::ceil(std::sqrt(count)));
  const int rows = (count + columns - 1) / columns;

  constexpr uint8_t kWhite = 255;
  Image sheet(margin + columns * (cell_width + margin), margin + rows * (cell_height + margin), 3,
              kWhite);
  for (int i = 0; i < count; ++i) {
    const Image image = on_white(images[i]);
    const int left = margin + i % columns * (cell_width + margin);
    const int top = margin + i / columns * (cell_height + margin);
    paste(image, sheet, left + (cell_width - image.width) / 2,
          top + (cell_height - image.height) / 2);
  }
  return sheet;
}

}  // namespace gesso::image
