// Texts from outside: what is too deep or too long is refused instead of ending the program.
#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "engine/base/excerpt.hpp"
#include "engine/base/expression.hpp"
#include "engine/base/json_text.hpp"
#include "engine/base/toml_text.hpp"
#include "gesso/cpp/error.hpp"
#include "temporary_folder.hpp"

using namespace gesso::base;

namespace {

std::string times(size_t count, const std::string& text) {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

/// Line of the error of a TOML text; 0: it is read.
size_t fault_in(const std::string& text) {
  try {
    parse_toml(text, "a.toml");
    return 0;
  } catch (const toml::parse_error& error) {
    CHECK(*error.source().path == "a.toml");
    return error.source().begin.line;
  }
}

}  // namespace

TEST_CASE("TOML keys have at most 16 parts, wherever they stand") {
  const std::string deep = times(16, "a.") + "a";
  CHECK(fault_in("x = 1\n" + deep + " = 1") == 2);
  CHECK(fault_in("\n\n[" + deep + "]") == 3);
  CHECK(fault_in("[[" + deep + "]]") == 1);
  CHECK(fault_in("a = { " + deep + " = 1 }") == 1);
  CHECK(fault_in("a = '''\n\n'''\n" + times(16, "\"x\" . ") + "a = 1") == 4);
  CHECK(fault_in(times(100'000, "a.") + "a = 1") == 1);
  CHECK(fault_in(times(15, "a.") + "a = 1") == 0);
}

TEST_CASE("dots elsewhere do not count") {
  const std::string dots = times(40, ".");
  CHECK(fault_in("a = \"" + dots + "\\\"" + dots + "\"") == 0);
  CHECK(fault_in("a = '" + dots + "\\'") == 0);
  CHECK(fault_in("a = \"\"\"" + dots + "\n\"" + dots + "\"\"\"") == 0);
  CHECK(fault_in("# " + dots + "\na = [" + times(40, "0.5, ") + "]  # " + dots) == 0);
  CHECK(fault_in("[a.b]\n" + times(4, "c.d.e.f.g = 1\n").substr(0, 14)) == 0);
}

TEST_CASE("faults of TOML keep their place") {
  CHECK(fault_in("a = 1\nb = ") == 2);
  CHECK(fault_in("a = \"x\n") == 1);
}

TEST_CASE("a file that is too large for TOML is refused") {
  const TemporaryFolder folder;
  std::ofstream(folder.path / "a.toml") << std::string(5 << 20, '#');
  CHECK_THROWS_WITH_AS(read_toml(folder.path / "a.toml"),
                       "5242880 bytes are too many; is this a weight file?", toml::parse_error);
}

TEST_CASE("JSON is at most 100 levels deep") {
  CHECK(parse_json(times(100, "[") + times(100, "]")).is_array());
  CHECK(parse_json(times(102, "[") + times(102, "]")).is_discarded());
  CHECK(parse_json(times(100'000, R"({"a":)") + "1" + times(100'000, "}")).is_discarded());
  CHECK(parse_json(std::string("{\"a\":")).is_discarded());
  CHECK(parse_json(std::string(R"({"a": [1, {"b": null}]})"))["a"][1].contains("b"));
}

TEST_CASE("expressions are checked and short") {
  CHECK(std::regex_match("ab", expression("a.")));
  CHECK_THROWS_AS(expression("("), gesso::Error);
  CHECK_THROWS_AS(expression(times(100'000, "(") + times(100'000, ")")), gesso::Error);
}

TEST_CASE("excerpts end between characters") {
  CHECK(excerpt("abc", 3) == "abc");
  CHECK(excerpt("abcd", 3) == "abc...");
  CHECK(excerpt("ab\u00e9", 3) == "ab...");
  CHECK(clean("a\xff\u00e9") == "a\ufffd\u00e9");
  CHECK(excerpt("\u00e9\u00e9", 2) == "\u00e9...");
}
