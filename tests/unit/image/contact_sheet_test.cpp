#include "engine/image/contact_sheet.hpp"

#include <doctest/doctest.h>

#include <tuple>

#include "gesso/cpp/error.hpp"

using namespace gesso;
using namespace gesso::image;

namespace {

int red_at(const Image& image, int x, int y) { return image.row(y)[x * 3]; }

std::vector<Image> grays(int count) {
  std::vector<Image> images;
  for (int i = 0; i < count; ++i) images.emplace_back(10, 6, 3, static_cast<uint8_t>(i + 1));
  return images;
}

}  // namespace

TEST_CASE("the grid is as square as the number of images allows") {
  const int margin = 2;
  for (const auto& [count, columns, rows] :
       {std::tuple{1, 1, 1}, {2, 2, 1}, {3, 2, 2}, {4, 2, 2}, {5, 3, 2}, {9, 3, 3}, {10, 4, 3}}) {
    const Image sheet = contact_sheet(grays(count), margin);
    CHECK(sheet.width == margin + columns * (10 + margin));
    CHECK(sheet.height == margin + rows * (6 + margin));
  }
}

TEST_CASE("images stand row by row between white margins") {
  const Image sheet = contact_sheet(grays(3), 2);
  CHECK(red_at(sheet, 1, 1) == 255);
  CHECK(red_at(sheet, 2, 2) == 1);
  CHECK(red_at(sheet, 11, 7) == 1);
  CHECK(red_at(sheet, 12, 2) == 255);
  CHECK(red_at(sheet, 14, 2) == 2);
  CHECK(red_at(sheet, 2, 10) == 3);
  CHECK(red_at(sheet, 14, 10) == 255);
}

TEST_CASE("a smaller or transparent image stands on white in the middle of its cell") {
  std::vector<Image> images = grays(1);
  images.emplace_back(4, 2, 4);  // transparent black
  images.emplace_back(4, 2, 3, uint8_t{9});
  const Image sheet = contact_sheet(images, 0);
  CHECK(sheet.channels == 3);
  CHECK(red_at(sheet, 15, 3) == 255);
  CHECK(red_at(sheet, 3, 6 + 2) == 9);
  CHECK(red_at(sheet, 2, 6 + 2) == 255);
}

TEST_CASE("a sheet needs an image") {
  CHECK_THROWS_AS(contact_sheet({}), Error);
  CHECK_THROWS_AS(contact_sheet(grays(2), -1), Error);
}
