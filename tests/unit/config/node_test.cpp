// Parsing: values with their places.
#include "engine/config/node.hpp"

#include <doctest/doctest.h>

#include "workshop.hpp"

using namespace gesso::config;
using gesso::test::error_of;

namespace {

Node parse(const std::string& text) {
  return parse_document(text, std::make_shared<const Source>(Source{"a.toml", "/data", true}));
}

}  // namespace

TEST_CASE("keys and values know where they stand") {
  const Node document = parse("variant = \"x\"\n\n[generate]\n  seed = 7\n");
  CHECK(document.find("variant")->key_place.text() == "a.toml:1:1");
  CHECK(document.find("variant")->place.text() == "a.toml:1:11");
  const Node* seed = document.find("generate")->find("seed");
  CHECK(seed->key_place.text() == "a.toml:4:3");
  CHECK(seed->place.text() == "a.toml:4:10");
}

TEST_CASE("children of a table keep the order of the file") {
  const Node document = parse("b = 1\na = 2\nc = 3\n");
  CHECK(document.children[0].key == "b");
  CHECK(document.children[1].key == "a");
  CHECK(document.children[2].key == "c");
}

TEST_CASE("a document is JSON without its places") {
  const Node document = parse("a = [1, 2.5, true]\n[b]\nc = 'text'\n");
  CHECK(document.json() == nlohmann::json{{"a", {1, 2.5, true}}, {"b", {{"c", "text"}}}});
}

TEST_CASE("relative paths start from the folder of the file that says them") {
  const Place place = parse("a = 1").find("a")->place;
  CHECK(place.resolve("weights/../b.safetensors") == "/data/b.safetensors");
  CHECK(place.resolve("/elsewhere/c") == "/elsewhere/c");
}

TEST_CASE("a syntax error is told with its line and column") {
  const std::string text = error_of([] { parse("a = 1\nb = = 2\n"); });
  CAPTURE(text);
  CHECK(text.starts_with("a.toml:2:5: "));
}

TEST_CASE("a file that cannot be a pipeline file is refused before it is read") {
  const gesso::test::Workshop shop;
  const auto path = shop.write("model.toml", std::string(5 << 20, ' '));
  CHECK(error_of([&] { parse_file(path, "model.toml"); }) ==
        "model.toml: 5242880 bytes are too many for a pipeline file; is this a weight file?");
  CHECK(error_of([&] { parse_file(shop.folder() / "none.toml", "none.toml"); }) ==
        (shop.folder() / "none.toml").string() + ": cannot be opened: No such file or directory");
}
