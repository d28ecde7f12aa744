#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <fstream>

#include "engine/image/image_resize.hpp"
#include "gesso/cpp/error.hpp"

using namespace gesso;
using namespace gesso::image;

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file, path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

// The only tensor of a safetensors file: uint8 [H, W, 3].
Image golden_image(const fs::path& path) {
  const std::string file = text_of(path);
  uint64_t header_size = 0;
  std::memcpy(&header_size, file.data(), 8);
  json header = json::parse(file.substr(8, header_size));
  header.erase("__metadata__");
  REQUIRE(header.size() == 1);
  const json& tensor = *header.begin();
  REQUIRE(tensor["dtype"] == "U8");
  Image image(tensor["shape"][1], tensor["shape"][0], 3);
  std::memcpy(image.pixels.data(), file.data() + 8 + header_size, image.pixels.size());
  return image;
}

Image run_golden(const json& params, const Image& image) {
  if (params.contains("height"))
    return crop_and_resize(image, Size{params["width"], params["height"]});
  return crop_and_resize(image, params["max_pixels"].get<int64_t>(),
                         params["height_division_factor"], params["width_division_factor"]);
}

Image checkerboard(int width, int height) {
  Image image(width, height, 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width * 3; ++x) image.row(y)[x] = (x / 3 + y) % 2 ? 255 : 0;
  return image;
}

}  // namespace

TEST_CASE("crop and resize gives the reference's pixels") {
  for (int i = 0; i < 4; ++i) {
    CAPTURE(i);
    const fs::path folder = fs::path(GESSO_SOURCE_DIR) / "tests/golden/data/image" /
                            fmt::format("crop_and_resize_{}", i);
    const json params = json::parse(text_of(folder / "case.json"))["params"];
    const Image image = run_golden(params, golden_image(folder / "inputs.safetensors"));
    const Image expected = golden_image(folder / "outputs.safetensors");
    REQUIRE(image.width == expected.width);
    REQUIRE(image.height == expected.height);
    CHECK(image.pixels == expected.pixels);
  }
}

TEST_CASE("one colour stays that colour at every size") {
  for (const Size size : {Size{1, 1}, Size{7, 40}, Size{100, 3}, Size{33, 33}}) {
    const Image image = resize_bilinear(Image(33, 21, 3, 77), size);
    CHECK(image.pixels == Image(size.width, size.height, 3, 77).pixels);
  }
}

TEST_CASE("shrinking by a whole factor is anti-aliased, not sampled") {
  const Image image = resize_bilinear(checkerboard(64, 64), {16, 16});
  for (int y = 1; y < 15; ++y)
    for (int x = 3; x < 45; ++x) CHECK(std::abs(image.row(y)[x] - 127) <= 1);
}

TEST_CASE("doubling two pixels gives quarter steps") {
  Image image(2, 1, 3);
  for (int c = 3; c < 6; ++c) image.pixels[c] = 200;
  const Image wide = resize_bilinear(image, {4, 1});
  const int expected[] = {0, 50, 150, 200};
  for (int x = 0; x < 4; ++x) CHECK(int(wide.pixels[x * 3]) == expected[x]);
}

TEST_CASE("transparent pixels do not bleed into their neighbours") {
  Image image(2, 1, 4);
  image.pixels = {255, 255, 255, 0, 100, 100, 100, 255};
  const Image wide = resize_bilinear(image, {4, 1});
  CHECK(int(wide.pixels[1 * 4]) == doctest::Approx(100).epsilon(0.02));
  CHECK(int(wide.pixels[1 * 4 + 3]) == 64);
}

TEST_CASE("the middle is cut as Python rounds: halves to the even side") {
  Image image(7, 5, 3);
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 7; ++x) image.row(y)[x * 3] = static_cast<uint8_t>(10 * y + x);
  CHECK(int(center_crop(image, {2, 2}).pixels[0]) == 10 * 2 + 2);  // 2.5 -> 2, 1.5 -> 2
  CHECK(int(center_crop(image, {4, 4}).pixels[0]) == 10 * 0 + 2);  // 1.5 -> 2, 0.5 -> 0
}

TEST_CASE("limited sizes are multiples of the factors within the limit") {
  CHECK(limited_size({1000, 700}, 1 << 20) == Size{992, 688});
  CHECK(limited_size({1024, 1024}, 1 << 20) == Size{1024, 1024});
  CHECK(limited_size({4000, 3000}, 1 << 20) == Size{1168, 880});
  CHECK(limited_size({4000, 3000}, 1 << 20, 1, 1) == Size{1182, 886});
}

TEST_CASE("sizes that cannot be are refused") {
  const Image image(20, 20, 3);
  CHECK_THROWS_AS(resize_bilinear(image, {0, 5}), Error);
  CHECK_THROWS_AS(center_crop(image, {21, 5}), Error);
  CHECK_THROWS_AS(crop_and_resize(image, Size{-1, 5}), Error);
  CHECK_THROWS_AS(limited_size({2000, 15}, 1 << 20), Error);
  CHECK_THROWS_AS(limited_size({100, 100}, 0), Error);
  CHECK_THROWS_AS(crop_and_resize(Image(), int64_t{1000}), Error);
}

TEST_CASE("metadata follows the image") {
  Image image(20, 20, 3);
  image.text = {{"key", "value"}};
  CHECK(crop_and_resize(image, Size{10, 8}).text == image.text);
}
