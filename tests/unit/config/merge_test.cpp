// `extends` and overrides.
#include "engine/config/merge.hpp"

#include <doctest/doctest.h>

#include "workshop.hpp"

using namespace gesso::config;
using gesso::test::error_of;
using gesso::test::replaced;
using gesso::test::Workshop;
using nlohmann::json;

namespace {

json override(const std::string& text) {
  const std::string overrides[] = {text};
  return apply_overrides(load_document_text("", "a.toml", "/data"), overrides).json();
}

std::string load_error(const Workshop& shop, const std::string& name) {
  return replaced(error_of([&] { load_document(shop.folder() / name); }),
                  shop.folder().string() + "/", "");
}

}  // namespace

TEST_CASE("a file lies over the one that it extends, over several levels") {
  const Workshop shop;
  shop.write("base/base.toml", "variant = \"x\"\n[generate]\nseed = 1\nheight = 64\n");
  shop.write("middle.toml", "extends = \"base/base.toml\"\n[generate]\nseed = 2\n");
  const auto top = shop.write("top.toml", "extends = \"middle.toml\"\n[generate]\nwidth = 32\n");
  const Node document = load_document(top);
  CHECK(document.json() ==
        json{{"variant", "x"}, {"generate", {{"seed", 2}, {"height", 64}, {"width", 32}}}});
}

TEST_CASE("a value keeps the place and the folder of the file that says it") {
  const Workshop shop;
  shop.write("base/base.toml", "[generate]\ninput_image = \"in.png\"\n");
  const auto top = shop.write("top.toml", "extends = \"base/base.toml\"\n[generate]\n");
  const Node document = load_document(top);
  const Place place = document.find("generate")->find("input_image")->place;
  CHECK(place.text() == (shop.folder() / "base/base.toml:2:15").string());
  CHECK(place.resolve("in.png") == shop.folder() / "base/in.png");
}

TEST_CASE("lists are replaced as a whole") {
  const Workshop shop;
  shop.write("base.toml", "[generate]\nseed = [1, 2, 3]\n");
  const auto top = shop.write("top.toml", "extends = \"base.toml\"\n[generate]\nseed = [4]\n");
  CHECK(load_document(top).json() == json{{"generate", {{"seed", {4}}}}});
}

TEST_CASE("what is wrong with extends is told at its place") {
  const Workshop shop;
  shop.write("missing.toml", "\nextends = \"none.toml\"\n");
  CHECK(load_error(shop, "missing.toml") ==
        "missing.toml:2:11: extends: there is no file \"none.toml\"");
  shop.write("list.toml", "extends = [\"a.toml\"]\n");
  CHECK(load_error(shop, "list.toml") ==
        "list.toml:1:11: extends: expected the path of one file, found a list");
  shop.write("one.toml", "extends = \"two.toml\"\n");
  shop.write("two.toml", "# second\nextends = \"one.toml\"\n");
  CHECK(load_error(shop, "one.toml") ==
        "two.toml:2:11: extends: these files extend each other in a circle: one.toml -> two.toml "
        "-> one.toml");
  shop.write("self.toml", "extends = \"./self.toml\"\n");
  CHECK(load_error(shop, "self.toml") ==
        "self.toml:1:11: extends: these files extend each other in a circle: self.toml -> "
        "self.toml");
}

TEST_CASE("a syntax error in an extended file names that file") {
  const Workshop shop;
  shop.write("base.toml", "a = \n");
  shop.write("top.toml", "extends = \"base.toml\"\n");
  const std::string text = load_error(shop, "top.toml");
  CAPTURE(text);
  CHECK(text.starts_with("base.toml:1:"));
}

TEST_CASE("a text without a folder cannot extend by a relative path") {
  CHECK(error_of([] { load_document_text("extends = \"base.toml\"", "a.toml", {}); }) ==
        "a.toml:1:11: extends: \"base.toml\" is a relative path, and this text was given without a "
        "folder; write an absolute path");
}

TEST_CASE("the value of an override is TOML, else text") {
  CHECK(override("generate.seed=7") == json{{"generate", {{"seed", 7}}}});
  CHECK(override("generate.seed = [1, 2]") == json{{"generate", {{"seed", {1, 2}}}}});
  CHECK(override("generate.prompt=a red apple") == json{{"generate", {{"prompt", "a red apple"}}}});
  CHECK(override("generate.prompt='7'") == json{{"generate", {{"prompt", "7"}}}});
  CHECK(override("generate.prompt=a = b") == json{{"generate", {{"prompt", "a = b"}}}});
  CHECK(override("generate.prompt=2024-01-01") == json{{"generate", {{"prompt", "2024-01-01"}}}});
  CHECK(override("generate.prompt=1\nx=2") == json{{"generate", {{"prompt", "1\nx=2"}}}});
  CHECK(override("generate.prompt=") == json{{"generate", {{"prompt", ""}}}});
  CHECK(override("components.denoiser={path = 'x'}") ==
        json{{"components", {{"denoiser", {{"path", "x"}}}}}});
}

TEST_CASE("a key without a dot is one of the top level or short for [generate]") {
  CHECK(override("seed=7") == json{{"generate", {{"seed", 7}}}});
  CHECK(override("variant=x") == json{{"variant", "x"}});
}

TEST_CASE("later overrides win") {
  const std::string overrides[] = {"seed=1", "seed=2"};
  const Node document = apply_overrides(load_document_text("", "a.toml", "/data"), overrides);
  CHECK(document.json() == json{{"generate", {{"seed", 2}}}});
}

TEST_CASE("the places of an override are the override itself and the working folder") {
  const std::string overrides[] = {"input_image=in.png"};
  const Node document = apply_overrides(load_document_text("", "a.toml", "/data"), overrides);
  const Place place = document.find("generate")->find("input_image")->place;
  CHECK(place.text() == "--set input_image=in.png");
  CHECK(place.resolve("in.png") == std::filesystem::current_path() / "in.png");
}

TEST_CASE("malformed overrides are refused") {
  CHECK(error_of([] { override("seed"); }) ==
        "--set seed: expected key=value, such as generate.seed=7");
  CHECK(error_of([] { override("=7"); }) ==
        "--set =7: expected key=value, such as generate.seed=7");
  CHECK(error_of([] { override("a..b=7"); }) ==
        "--set a..b=7: \"a..b\" is no key; expected names joined by dots, such as generate.seed");
  CHECK(error_of([] { override("extends=b.toml"); }) ==
        "--set extends=b.toml: extends is read from files only");
  CHECK(error_of([] { override("prompt=\xff"); }) == "--set: the text is not UTF-8");
}
