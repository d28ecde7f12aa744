#include <doctest/doctest.h>

#include "engine/base/atomic_file.hpp"
#include "engine/image/image_io.hpp"
#include "gesso/cpp/error.hpp"
#include "temporary_folder.hpp"

using namespace gesso;
using namespace gesso::image;

namespace {

Image gradient(int channels) {
  Image image(31, 17, channels);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i * 5);
  return image;
}

int worst(const Image& a, const Image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  int worst = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i)
    worst = std::max(worst, std::abs(a.pixels[i] - b.pixels[i]));
  return worst;
}

Image again(const Image& image, Format format, const EncodeOptions& options = {}) {
  return decode(encode(image, format, options), "again", {.alpha = Alpha::Keep});
}

}  // namespace

TEST_CASE("lossless formats give back every pixel") {
  for (int channels : {3, 4}) {
    const Image image = gradient(channels);
    CHECK(again(image, Format::Png).pixels == image.pixels);
    CHECK(again(image, Format::Webp, {.lossless = true}).pixels == image.pixels);
  }
}

TEST_CASE("lossy formats stay close on a smooth image") {
  Image image(64, 48, 3);
  for (int y = 0; y < 48; ++y)
    for (int x = 0; x < 64; ++x)
      for (int c = 0; c < 3; ++c)
        image.row(y)[x * 3 + c] = static_cast<uint8_t>(x * 2 + y + c * 20);
  CHECK(worst(image, again(image, Format::Jpeg)) <= 3);
  CHECK(worst(image, again(image, Format::Webp)) <= 12);
}

TEST_CASE("a transparent image becomes an opaque JPEG on white") {
  Image image(8, 8, 4);  // black, fully transparent
  CHECK(int(again(image, Format::Jpeg).pixels[0]) == 255);
}

TEST_CASE("the same image gives the same bytes") {
  Image image = gradient(3);
  image.text = {{"gesso", "{}"}};
  for (Format format : {Format::Png, Format::Jpeg, Format::Webp})
    CHECK(encode(image, format) == encode(image, format));
}

TEST_CASE("text entries survive a PNG, in order and in any script") {
  const TemporaryFolder folder;
  Image image = gradient(3);
  image.text = {{"gesso", "{\"prompt\":\"a \\\"quoted\\\" cat\",\"seed\":7}"},
                {"parameters", "\xe7\x8c\xab, caf\xc3\xa9, \xf0\x9f\x90\xb1\nsecond line"},
                {"long", std::string(100000, 'x')}};
  save(image, folder.path / "picture.png");
  CHECK(read_png_text(folder.path / "picture.png") == image.text);
  CHECK(load(folder.path / "picture.png").text == image.text);
}

TEST_CASE("text that a PNG cannot hold is refused") {
  Image image = gradient(3);
  for (const TextEntry& entry :
       {TextEntry{"", "x"}, TextEntry{std::string(80, 'k'), "x"}, TextEntry{"caf\xc3\xa9", "x"},
        TextEntry{"k", ""}, TextEntry{"k", std::string(1, '\0')}}) {
    image.text = {entry};
    CHECK_THROWS_AS(encode(image, Format::Png), Error);
  }
}

TEST_CASE("only a PNG has text to read") {
  const TemporaryFolder folder;
  save(gradient(3), folder.path / "plain.png");
  CHECK(read_png_text(folder.path / "plain.png").empty());
  save(gradient(3), folder.path / "picture.jpg");
  CHECK_THROWS_AS(read_png_text(folder.path / "picture.jpg"), Error);
  base::write_file(folder.path / "note.png", "no picture");
  CHECK_THROWS_AS(read_png_text(folder.path / "note.png"), Error);
}

TEST_CASE("the extension decides the format") {
  CHECK(format_of("a/b.PNG") == Format::Png);
  CHECK(format_of("b.jpeg") == Format::Jpeg);
  CHECK(format_of("b.Jpg") == Format::Jpeg);
  CHECK(format_of("b.webp") == Format::Webp);
  CHECK_THROWS_AS(format_of("b.bmp"), Error);
  CHECK_THROWS_AS(format_of("png"), Error);
}

TEST_CASE("wrong images and options are refused") {
  CHECK_THROWS_AS(encode(Image(), Format::Png), Error);
  CHECK_THROWS_AS(encode(Image(4, 4, 1), Format::Png), Error);
  Image short_one = gradient(3);
  short_one.pixels.pop_back();
  CHECK_THROWS_AS(encode(short_one, Format::Jpeg), Error);
  CHECK_THROWS_AS(encode(gradient(3), Format::Jpeg, {.quality = 0}), Error);
  CHECK_THROWS_AS(encode(gradient(3), Format::Webp, {.quality = 101}), Error);
  CHECK_THROWS_AS(encode(Image(20000, 1, 3), Format::Webp), Error);
}

TEST_CASE("saving into a folder that is not there says so") {
  try {
    save(gradient(3), "no-such-folder/picture.png");
    FAIL("saved");
  } catch (const Error& error) {
    CHECK(error.status() == Status::NotFound);
    CHECK(std::string(error.what()).find("no-such-folder/picture.png") != std::string::npos);
  }
}
