// small.model and its right answers come from tests/data/tokenizer/make.py.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "gesso/cpp/error.hpp"
#include "sentencepiece_tokenizer.hpp"
#include "temporary_folder.hpp"

using gesso::Error;
using gesso::Status;
using gesso::spm::Tokenizer;
using Ids = std::vector<int32_t>;

namespace {

namespace fs = std::filesystem;

const fs::path kModel = fs::path(GESSO_TEST_DATA) / "tokenizer/small.model";

Status status_of(const fs::path& path) {
  try {
    const Tokenizer tokenizer(path);
  } catch (const Error& error) {
    return error.status();
  }
  return Status::Ok;
}

}  // namespace

TEST_CASE("texts get the ids that SentencePiece gives them") {
  const Tokenizer tokenizer(kModel);
  std::ifstream file(fs::path(GESSO_TEST_DATA) / "tokenizer/small.expected.json");
  const auto expected = nlohmann::json::parse(file);
  CHECK(tokenizer.vocab_size() == expected["vocab_size"]);
  for (const auto& entry : expected["texts"]) {
    const std::string text = entry["text"];
    CAPTURE(text);
    CHECK(tokenizer.encode(text) == entry["ids"].get<Ids>());
    CHECK(tokenizer.decode(entry["ids"].get<Ids>()) == entry["decoded"]);
  }
}

TEST_CASE("pieces are found by their exact text") {
  const Tokenizer tokenizer(kModel);
  CHECK(tokenizer.token_id("<unk>") == 0);
  CHECK(tokenizer.token_id("</s>") == 2);
  CHECK(tokenizer.token_id("<ctrl>") == 3);
  CHECK_FALSE(tokenizer.token_id("no such piece"));
}

TEST_CASE("a folder is searched for the usual names") {
  const TemporaryFolder folder;
  CHECK(status_of(folder.path) == Status::NotFound);
  fs::copy_file(kModel, folder.path / "spiece.model");
  CHECK(status_of(folder.path) == Status::Ok);
}

TEST_CASE("what is no model is refused") {
  const TemporaryFolder folder;
  CHECK(status_of(folder.path / "no.model") == Status::NotFound);
  std::ofstream(folder.path / "empty.model").flush();
  CHECK(status_of(folder.path / "empty.model") == Status::BadData);
  std::ofstream(folder.path / "text.model") << "this is no model";
  CHECK(status_of(folder.path / "text.model") == Status::BadData);
  fs::copy_file(kModel, folder.path / "cut.model");
  fs::resize_file(folder.path / "cut.model", fs::file_size(kModel) / 2);
  CHECK(status_of(folder.path / "cut.model") == Status::BadData);
}

TEST_CASE("wrong ids and broken text are refused") {
  const Tokenizer tokenizer(kModel);
  CHECK_THROWS_AS(tokenizer.decode(Ids{-1}), Error);
  CHECK_THROWS_AS(tokenizer.decode(Ids{100000}), Error);
  CHECK_THROWS_AS(tokenizer.encode("ab\xff"), Error);
}
