// Rows to items: columns, files, sizes, and what is wrong with them.
#include <fmt/format.h>

#include "engine/image/image_resize.hpp"
#include "engine/image/image_size.hpp"
#include "workplace.hpp"

using namespace gesso;
using namespace gesso::data;
using gesso::test::Workplace;
using nlohmann::json;

namespace {

std::string problem(Workplace& place, const std::string& text) {
  place.metadata("a.csv", text);
  return place.problem([&] { open_dataset(place.plan); });
}

}  // namespace

TEST_CASE("an item has its caption, its pictures and its other columns") {
  Workplace place;
  place.picture("a.png", 40, 33);
  place.picture("b.png", 64, 64);
  place.plan.file_keys = {"image", "edit_image"};
  place.metadata(
      "a.jsonl",
      R"({"image": "a.png", "prompt": "an apple", "edit_image": ["b.png", "a.png"], "seed": 3})");
  const auto dataset = open_dataset(place.plan);
  REQUIRE(dataset->size() == 1);
  CHECK(dataset->extent(0) == Extent{32, 32, 8});
  const Item item = dataset->load(0);
  CHECK(item.prompt == "an apple");
  CHECK(item.width == 32);
  CHECK(item.height == 32);
  CHECK(item.images.at("edit_image").size() == 2);
  CHECK(item.images.at("edit_image")[0].width == 64);
  CHECK(item.extra == json{{"seed", 3}});
  CHECK(place.told(item.where) == "a.jsonl:1");
}

TEST_CASE("a cell of CSV may be a list in JSON") {
  Workplace place;
  place.picture("a.png");
  place.picture("[b.png");
  place.plan.file_keys = {"image", "edit_image"};
  place.metadata(
      "a.csv",
      "image,prompt,edit_image\na.png,x,\"[\"\"a.png\"\",\"\"[b.png\"\"]\"\na.png,y,[b.png\n");
  const auto dataset = open_dataset(place.plan);
  CHECK(dataset->load(0).images.at("edit_image").size() == 2);
  CHECK(dataset->load(1).images.at("edit_image").size() == 1);
}

TEST_CASE("pixels are those of crop_and_resize") {
  Workplace place;
  image::Image picture(70, 50, 3);
  for (size_t i = 0; i < picture.pixels.size(); ++i)
    picture.pixels[i] = static_cast<uint8_t>(i * 7);
  image::save(picture, place / "a.png");
  place.metadata("a.csv", "image,prompt\na.png,x\n");
  place.plan.max_pixels = 1500;
  CHECK(open_dataset(place.plan)->load(0).images.at("image")[0].pixels ==
        image::crop_and_resize(picture, int64_t{1500}).pixels);
  place.plan.height = 32;
  CHECK(open_dataset(place.plan)->extent(0) == Extent{32, 32, 1});  // height alone says nothing
  place.plan.width = 48;
  CHECK(open_dataset(place.plan)->load(0).images.at("image")[0].pixels ==
        image::crop_and_resize(picture, image::Size{48, 32}).pixels);
}

TEST_CASE("every kind of picture file gives RGB of the size that was announced") {
  Workplace place;
  place.plan.base_path = std::filesystem::path(GESSO_TEST_DATA) / "image";
  std::string text = "image,prompt\n";
  for (const char* name :
       {"gray16.png", "rgb16.png", "gray_alpha.png", "palette_alpha.png", "cmyk.jpg",
        "grayscale.jpg", "turned_6.jpg", "turned_3.jpg", "lossy.webp", "alpha.webp"}) {
    text += std::string(name) + ",x\n";
  }
  place.metadata("a.csv", text);
  place.plan.size_multiple = 2;
  const auto dataset = open_dataset(place.plan);
  for (size_t row = 0; row < dataset->size(); ++row) {
    const Item item = dataset->load(row);
    CAPTURE(item.where);
    CHECK(item.images.at("image")[0].channels == 3);
    CHECK(dataset->extent(row) == Extent{item.width, item.height, 1});
  }
}

TEST_CASE("a picture that lies on its side is measured upright") {
  const auto folder = std::filesystem::path(GESSO_TEST_DATA) / "image";
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const auto path = folder / fmt::format("turned_{}.jpg", orientation);
    const image::Image picture = image::load(path);
    CHECK(image::size_of(path) == image::Size{picture.width, picture.height});
  }
}

TEST_CASE("wrong columns are told with their line") {
  Workplace place;
  place.picture("a.png");
  CHECK(problem(place, "file,prompt\na.png,x\n") ==
        "a.csv:2: there is no \"image\", the picture to learn; the columns are file, prompt");
  CHECK(problem(place, "image,promt\na.png,x\n") ==
        "a.csv:2: there is no \"prompt\", its caption; did you mean \"promt\"?; the columns are "
        "image, promt");
  CHECK(problem(place, "image,prompt\n,x\n") == "a.csv:2: image: the cell is empty");
  CHECK(problem(place, "image,prompt\nhttps://x.org/a.png,x\n")
            .starts_with("a.csv:2: image: https://x.org/a.png is an address on the network"));
  CHECK(problem(place, "image,prompt\na.mp4,x\n") ==
        "a.csv:2: image: a.mp4 is a film; expected a picture (PNG, JPEG, WebP)");
  place.plan.extra_inputs = {"controlnet_image"};
  CHECK(problem(place, "image,prompt\na.png,x\n") ==
        "a.csv:2: there is no \"controlnet_image\", which extra_inputs asks for; the columns are "
        "image, prompt");
}

TEST_CASE("missing files are listed, unless they are to be skipped") {
  Workplace place;
  std::string text = "image,prompt\n";
  for (int i = 0; i < 12; ++i) text += fmt::format("{}.png,x\n", i);
  const std::string told = problem(place, text);
  CHECK(told.starts_with("a.csv:2: image: there is no file 0.png\na.csv:3: "));
  CHECK(told.find("and 2 more\n12 of the dataset's files are missing") != std::string::npos);
  place.plan.on_error = config::OnError::Skip;
  CHECK(problem(place, text).empty());
}

TEST_CASE("a control has the size of its picture") {
  Workplace place;
  place.picture("a.png", 32, 32);
  place.picture("c.png", 48, 32);
  place.plan.file_keys = {"image", "controlnet_image"};
  place.metadata("a.csv", "image,prompt,controlnet_image\na.png,x,c.png\n");
  const auto dataset = open_dataset(place.plan);
  CHECK(place.problem([&] { dataset->load(0); }) ==
        "a.csv:2: controlnet_image: 48x32 pixels after resizing, but the picture has 32x32; a "
        "control "
        "has the size of its picture");
}

TEST_CASE("pictures of template_inputs stay as they are") {
  Workplace place;
  place.picture("a.png");
  place.picture("s.png", 70, 50);
  place.plan.extra_inputs = {"template_inputs"};
  place.metadata("a.jsonl",
                 R"({"image": "a.png", "prompt": "x", "template_inputs": {"image": ["s.png"]}})");
  CHECK(open_dataset(place.plan)->load(0).images.at("template_inputs")[0].width == 70);
  place.metadata("a.jsonl", R"({"image": "a.png", "prompt": "x", "template_inputs": "s.png"})");
  CHECK(place.problem([&] { open_dataset(place.plan); }) ==
        "a.jsonl:1: template_inputs: expected {\"image\": ...}, found \"s.png\"");
}
