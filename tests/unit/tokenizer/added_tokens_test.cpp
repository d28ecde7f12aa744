#include <doctest/doctest.h>

#include "small_tokenizer.hpp"

using gesso::bpe::Tokenizer;
using Ids = std::vector<int32_t>;

namespace {

nlohmann::json with_token(const std::string& content, const nlohmann::json& flags = {}) {
  auto json = small_tokenizer();
  nlohmann::json token = {{"id", 500}, {"content", content}};
  if (flags.is_object()) token.update(flags);
  json["added_tokens"].push_back(token);
  return json;
}

}  // namespace

TEST_CASE("an added token is found anywhere in a text") {
  Tokenizer tokenizer = load(with_token("<x>"));
  CHECK(tokenizer.encode("<x>abc<x><x>a") == Ids{500, 257, 500, 500, 'a'});
  CHECK(tokenizer.encode("<x") == Ids{'<', 'x'});
  CHECK(tokenizer.decode(Ids{500, 'a'}) == "<x>a");
  CHECK(tokenizer.token_id("<x>") == 500);
  CHECK(tokenizer.token_id("ab") == 256);
  CHECK_FALSE(tokenizer.token_id("nothing"));
  CHECK(tokenizer.vocab_size() == 501);
}

TEST_CASE("of tokens that begin together the longest is taken") {
  auto json = with_token("<x>");
  json["added_tokens"].push_back({{"id", 501}, {"content", "<x>y"}});
  CHECK(load(json).encode("<x>y<x>") == Ids{501, 500});
}

TEST_CASE("lstrip and rstrip take white space along") {
  CHECK(load(with_token("<x>", {{"lstrip", true}})).encode("a \n<x> b") == Ids{'a', 500, ' ', 'b'});
  CHECK(load(with_token("<x>", {{"rstrip", true}})).encode("a <x> \nb") == Ids{'a', ' ', 500, 'b'});
  Tokenizer both = load(with_token("<x>", {{"lstrip", true}, {"rstrip", true}}));
  CHECK(both.encode("a <x>  <x> b") == Ids{'a', 500, 500, 'b'});
}

TEST_CASE("a single_word token is left alone inside of words") {
  Tokenizer tokenizer = load(with_token("cat", {{"single_word", true}}));
  CHECK(tokenizer.encode("cat") == Ids{500});
  CHECK(tokenizer.encode("(cat)") == Ids{'(', 500, ')'});
  CHECK(tokenizer.encode("cats") == Ids{'c', 'a', 't', 's'});
  CHECK(tokenizer.encode("_cat") == Ids{'_', 'c', 'a', 't'});
}

TEST_CASE("a normalized token is found in the normalized text, the others before") {
  const std::string composed = "\xc3\xa9", decomposed = "e\xcc\x81";
  auto json = with_token(composed, {{"normalized", true}});
  json["normalizer"] = {{"type", "NFC"}};
  CHECK(load(json).encode(decomposed) == Ids{500});
  json["added_tokens"][0]["normalized"] = false;
  CHECK(load(json).encode(composed) == Ids{500});
  CHECK(load(json).encode(decomposed) == Ids{0xC3, 0xA9});
}
