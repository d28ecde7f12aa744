#include <doctest/doctest.h>

#include <chrono>

#include "gesso/cpp/error.hpp"
#include "small_tokenizer.hpp"

using gesso::Error;
using gesso::Status;
using gesso::bpe::Tokenizer;
using Ids = std::vector<int32_t>;

TEST_CASE("pairs are joined in the order of their rank") {
  Tokenizer tokenizer = load(small_tokenizer());
  CHECK(tokenizer.encode("abc") == Ids{257});
  CHECK(tokenizer.encode("bc") == Ids{258});
  CHECK(tokenizer.encode("aabcb") == Ids{'a', 257, 'b'});
  CHECK(tokenizer.encode("") == Ids{});
}

TEST_CASE("of equal pairs the leftmost is joined first") {
  auto json = small_tokenizer();
  json["model"]["vocab"]["aa"] = 259;
  json["model"]["merges"].push_back({"a", "a"});
  CHECK(load(json).encode("aaa") == Ids{259, 'a'});
}

TEST_CASE("merges written as lines mean the same as pairs") {
  auto json = small_tokenizer();
  json["model"]["merges"] = {"a b", "ab c", "b c"};
  CHECK(load(json).encode("abc") == Ids{257});
}

TEST_CASE("a word that is a token is taken whole only with ignore_merges") {
  auto json = small_tokenizer();
  json["model"]["vocab"]["xyz"] = 300;
  CHECK(load(json).encode("xyz") == Ids{'x', 'y', 'z'});
  json["model"]["ignore_merges"] = true;
  CHECK(load(json).encode("xyz") == Ids{300});
}

TEST_CASE("a byte without a token becomes the unknown token, or nothing") {
  auto json = small_tokenizer();
  json["model"]["vocab"].erase("q");
  CHECK(load(json).encode("aqa") == Ids{'a', 'a'});
  json["model"]["unk_token"] = "ab";
  CHECK(load(json).encode("aqa") == Ids{'a', 256, 'a'});
}

TEST_CASE("a word of a megabyte takes no quadratic time") {
  Tokenizer tokenizer = load(small_tokenizer());
  std::string word;
  while (word.size() < (1 << 20)) word += "abcbab";
  const auto start = std::chrono::steady_clock::now();
  const Ids ids = tokenizer.encode(word);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  CHECK(tokenizer.decode(ids) == word);
  CHECK(took.count() < 20);  // a scan per merge would take hours
}

TEST_CASE("what was encoded is decoded to the same text") {
  Tokenizer tokenizer = load(small_tokenizer());
  for (const std::string text :
       {"abc  def\n\n\tx", "caf\xc3\xa9 \xe7\x8c\xab \xf0\x9f\x90\xb1", "\x01\x7f"})
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
}

TEST_CASE("half a character is decoded to a replacement character") {
  const Tokenizer tokenizer = load(small_tokenizer());
  CHECK(tokenizer.decode(Ids{'a', 0xE7, 0x8C, 'b'}) ==
        "a\xef\xbf\xbd"
        "b");
}

TEST_CASE("an id that no token has is refused") {
  const Tokenizer tokenizer = load(small_tokenizer());
  CHECK_THROWS_WITH_AS(tokenizer.decode(Ids{259}), "no token has the id 259, expected 0 to 258",
                       Error);
  CHECK_THROWS_AS(tokenizer.decode(Ids{-1}), Error);
}

TEST_CASE("text that is not UTF-8 is refused with the place of the byte") {
  Tokenizer tokenizer = load(small_tokenizer());
  for (const std::string bad : {"ab\xff", "ab\xe7\x8c", "ab\xc0\xaf", "ab\xed\xa0\x80"}) {
    try {
      tokenizer.encode(bad);
      FAIL("encoded");
    } catch (const Error& error) {
      CHECK(error.status() == Status::InvalidArgument);
      CHECK(std::string(error.what()).find("byte 2 ") != std::string::npos);
    }
  }
}

TEST_CASE("white space is what Unicode calls so, not what PCRE2 does") {
  auto json = small_tokenizer();
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", "\\s+"}}}, {"behavior", "Isolated"}},
        {{"type", "ByteLevel"}, {"use_regex", false}}}}};
  json["model"]["ignore_merges"] = true;
  const std::string mongolian = "\xe1\xa0\x8e", next_line = "\xc2\x85";
  json["model"]["vocab"][gesso::bpe::to_byte_level("a" + mongolian)] = 300;  // no space: one word
  json["model"]["vocab"][gesso::bpe::to_byte_level(next_line)] = 301;        // a space: its own
  CHECK(load(json).encode("a" + mongolian) == Ids{300});
  CHECK(load(json).encode("a" + next_line) == Ids{'a', 301});
}
