// Decoders against Pillow; the files and their answers come from tests/data/image/make.py.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include "engine/image/image_io.hpp"
#include "gesso/cpp/error.hpp"
#include "temporary_folder.hpp"

using namespace gesso;
using namespace gesso::image;

namespace {

namespace fs = std::filesystem;

const fs::path kData = fs::path(GESSO_TEST_DATA) / "image";

std::vector<uint8_t> bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file, path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

void check_same(const std::string& file, Alpha alpha = Alpha::Keep) {
  CAPTURE(file);
  const Image image = load(kData / file, {.alpha = alpha});
  const std::string stem = file.substr(0, file.find('.'));
  const Image expected = load(kData / (stem + ".expected.png"), {.alpha = alpha});
  REQUIRE(image.width == expected.width);
  REQUIRE(image.height == expected.height);
  REQUIRE(image.channels == expected.channels);
  CHECK(image.pixels == expected.pixels);
}

// Status and text of the error that `bytes` raise.
std::pair<Status, std::string> error_of(const std::vector<uint8_t>& bytes,
                                        const DecodeOptions& options = {}) {
  try {
    decode(bytes, "picture", options);
  } catch (const Error& error) {
    return {error.status(), error.what()};
  }
  return {Status::Ok, ""};
}

std::vector<uint8_t> bytes(std::string_view text) { return {text.begin(), text.end()}; }

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("PNG of every kind gives Pillow's pixels") {
  for (const char* file : {"rgb16.png", "gray16.png", "gray.png", "gray_alpha.png", "bilevel.png",
                           "palette.png", "palette_alpha.png", "rgba.png"})
    check_same(file);
}

TEST_CASE("JPEG of every kind gives Pillow's pixels") {
  for (const char* file : {"color.jpg", "progressive.jpg", "grayscale.jpg", "cmyk.jpg"})
    check_same(file);
}

TEST_CASE("WebP gives Pillow's pixels") {
  for (const char* file : {"lossy.webp", "lossless.webp", "alpha.webp"}) check_same(file);
}

TEST_CASE("each of the eight EXIF orientations is turned upright") {
  for (int i = 1; i <= 8; ++i) check_same("turned_" + std::to_string(i) + ".jpg");
}

TEST_CASE("a file without a true pixel value is compared with a known one") {
  const Image image = load(kData / "rgba.png", {.alpha = Alpha::Keep});
  const uint8_t* pixel = image.row(5) + 7 * 4;
  CHECK(int(pixel[0]) == 7 * 12);
  CHECK(int(pixel[1]) == 5 * 18);
  CHECK(int(pixel[2]) == 12 * 7);
  CHECK(int(pixel[3]) == 7 * 13);
}

TEST_CASE("transparent pixels are laid on white unless alpha is kept") {
  const Image image = load(kData / "rgba.png");
  CHECK(image.channels == 3);
  const uint8_t* clear = image.row(3);  // alpha 0
  CHECK(int(clear[0]) == 255);
  CHECK(int(clear[1]) == 255);
  const uint8_t* half = image.row(0) + 10 * 3;  // red 120, alpha 130
  CHECK(int(half[0]) == (120 * 130 + 255 * 125 + 127) / 255);
}

TEST_CASE("the name of a file does not decide its format") {
  const TemporaryFolder folder;
  fs::copy_file(kData / "color.jpg", folder.path / "color.png");
  CHECK(load(folder.path / "color.png").pixels == load(kData / "color.jpg").pixels);
}

TEST_CASE("what is no image is named by its first bytes") {
  for (const auto& [text, part] : {std::pair{"", "the file is empty"},
                                   {"GIF89a....", "a GIF image"},
                                   {"<!DOCTYPE html>", "a web page"},
                                   {"version https://git-lfs.github.com", "a Git LFS pointer"},
                                   {"hello", "begins with 68 65 6c 6c 6f"}}) {
    const auto [status, message] = error_of(bytes(text));
    CHECK(status == Status::BadData);
    CHECK_MESSAGE(contains(message, part), message);
    CHECK(contains(message, "picture"));
  }
}

TEST_CASE("a file cut anywhere is reported, never shown in part") {
  for (const char* file : {"rgb16.png", "palette.png", "color.jpg", "progressive.jpg", "lossy.webp",
                           "lossless.webp"}) {
    const std::vector<uint8_t> whole = bytes_of(kData / file);
    for (size_t size = 0; size + 12 < whole.size(); ++size) {
      CAPTURE(file);
      CAPTURE(size);
      const auto [status, message] = error_of({whole.begin(), whole.begin() + size});
      CHECK_MESSAGE(status == Status::BadData, message);
    }
  }
}

TEST_CASE("a cut in the pixels says so") {
  for (const char* file : {"rgb16.png", "color.jpg", "lossless.webp"}) {
    std::vector<uint8_t> cut = bytes_of(kData / file);
    cut.resize(cut.size() - 20);
    CHECK_MESSAGE(contains(error_of(cut).second, "cut short"), error_of(cut).second);
  }
}

TEST_CASE("a damaged byte ends in an image or in an error, not in a crash") {
  for (const char* file : {"palette_alpha.png", "turned_6.jpg", "lossy.webp"}) {
    const std::vector<uint8_t> whole = bytes_of(kData / file);
    for (size_t i = 0; i < whole.size(); ++i) {
      std::vector<uint8_t> damaged = whole;
      damaged[i] ^= 0xFF;
      const Status status = error_of(damaged, {.max_pixels = 1 << 20}).first;
      CHECK((status == Status::Ok || status == Status::BadData || status == Status::NotSupported ||
             status == Status::InvalidArgument));
    }
  }
}

TEST_CASE("an image above the limit is refused by its header") {
  for (const char* file : {"rgba.png", "color.jpg", "lossy.webp"}) {
    const auto [status, message] = error_of(bytes_of(kData / file), {.max_pixels = 279});
    CHECK(status == Status::InvalidArgument);
    CHECK_MESSAGE(contains(message, "20x14 = 280 pixels, the limit is 279"), message);
    CHECK(error_of(bytes_of(kData / file), {.max_pixels = 280}).first == Status::Ok);
  }
}

TEST_CASE("an animation is not an image") {
  const auto [status, message] = error_of(bytes_of(kData / "animated.webp"));
  CHECK(status == Status::NotSupported);
  CHECK(contains(message, "animated"));
}

TEST_CASE("a missing file and a folder are told apart") {
  CHECK_THROWS_WITH_AS(load("no-such-picture.png"),
                       "no-such-picture.png: cannot open the image: No such file or directory",
                       Error);
  CHECK_THROWS_AS(load(kData), Error);
}

TEST_CASE("bytes between the segments of a JPEG do no harm") {
  std::vector<uint8_t> flawed = bytes_of(kData / "color.jpg");
  const uint8_t quantisation_table[] = {0xFF, 0xDB};
  const auto table = std::search(flawed.begin(), flawed.end(), std::begin(quantisation_table),
                                 std::end(quantisation_table));
  flawed.insert(table, {1, 2, 3});
  CHECK(decode(flawed, "flawed").pixels == load(kData / "color.jpg").pixels);
}
