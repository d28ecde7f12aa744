#include "engine/config/output_path.hpp"

#include <doctest/doctest.h>

#include "workshop.hpp"

using namespace gesso::config;
using gesso::test::error_of;

TEST_CASE("placeholders of an output path are replaced") {
  const OutputName picture{"emoji", 3, 7, "A red apple, on a table!"};
  CHECK(expand_output_path("out/{name}-{seed}.png", picture) == "out/emoji-7.png");
  CHECK(expand_output_path("{index}.webp", picture) == "0003.webp");
  CHECK(expand_output_path("{prompt}.JPG", picture) == "A-red-apple-on-a-table.JPG");
  CHECK(expand_output_path("plain.jpeg", picture) == "plain.jpeg");
}

TEST_CASE("a prompt in a path is safe, short and whole characters") {
  CHECK(expand_output_path("{prompt}.png", {"", 0, 0, "../../etc/passwd"}) == "etc-passwd.png");
  CHECK(expand_output_path("{prompt}.png", {"", 0, 0, "?!"}) == "untitled.png");
  std::string apples;
  for (int i = 0; i < 20; ++i) apples += "\xE8\x8B\xB9";  // one CJK character of three bytes
  CHECK(expand_output_path("{prompt}.png", {"", 0, 0, apples}) == apples.substr(0, 48) + ".png");
  const std::string shifted = apples.insert(0, 1, 'a');
  CHECK(expand_output_path("{prompt}.png", {"", 0, 0, shifted}) == shifted.substr(0, 46) + ".png");
}

TEST_CASE("a wrong output path is refused") {
  const OutputName picture;
  CHECK(error_of([&] { expand_output_path("{seeds}.png", picture); }) ==
        "output path: unknown placeholder {seeds}; did you mean \"seed\"?");
  CHECK(error_of([&] { expand_output_path("{zzzz}.png", picture); }) ==
        "output path: unknown placeholder {zzzz}; there are {name}, {index}, {seed} and {prompt}");
  CHECK(error_of([&] { expand_output_path("a}.png", picture); }) ==
        "output path: a brace stands alone; placeholders look like {seed}");
  CHECK(error_of([&] { expand_output_path("{seed.png", picture); }) ==
        "output path: a brace stands alone; placeholders look like {seed}");
  CHECK(error_of([&] { expand_output_path("a.gif", picture); }) ==
        "output path: \"a.gif\" does not end in .png, .jpg, .jpeg or .webp");
}

TEST_CASE("two pictures never share a file") {
  const std::vector<OutputName> pictures = {{"a", 0, 7, "x"}, {"a", 1, 7, "x"}};
  CHECK(expand_output_paths("{name}-{index}.png", pictures) ==
        std::vector<std::string>{"a-0000.png", "a-0001.png"});
  CHECK(error_of([&] { expand_output_paths("{seed}.png", pictures); }) ==
        "output path: two of 2 pictures would be written to \"7.png\"; put {index} or {seed} into "
        "\"{seed}.png\"");
}
