#include "tokenizer_file.hpp"

#include <doctest/doctest.h>

#include "gesso/cpp/error.hpp"
#include "small_tokenizer.hpp"

using gesso::Error;
using gesso::Status;
using nlohmann::json;

namespace {

// Status and text of the error that a file with this content raises.
std::pair<Status, std::string> error_of(const std::string& text) {
  const TemporaryFolder folder;
  write_text(folder.path / "tokenizer.json", text);
  try {
    gesso::bpe::Tokenizer(folder.path / "tokenizer.json");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("tokenizer.json") != std::string::npos);
    return {error.status(), error.what()};
  }
  return {Status::Ok, ""};
}

template <class Change>
void check_refused(Status status, std::string_view part, Change&& change) {
  json tokenizer = small_tokenizer();
  change(tokenizer);
  const auto [found, text] = error_of(tokenizer.dump());
  CHECK_MESSAGE(found == status, text);
  CHECK_MESSAGE(text.find(part) != std::string::npos, text);
}

}  // namespace

TEST_CASE("a file that is no JSON, packed or cut says so") {
  CHECK(error_of("").first == Status::BadData);
  CHECK(error_of("hello").second.find("is not JSON at byte") != std::string::npos);
  CHECK(error_of("\x1f\x8b\x08 zipped").second.find("gunzip") != std::string::npos);
  const std::string whole = small_tokenizer().dump();
  for (size_t size = 0; size < whole.size(); size += 97)
    CHECK(error_of(whole.substr(0, size)).first == Status::BadData);
}

TEST_CASE("JSON that is no tokenizer says what is missing") {
  for (const char* text : {"[]", "{}", "3", "null", "\"x\"", R"({"model": 3})"})
    CHECK(error_of(text).first == Status::BadData);
  check_refused(Status::BadData, "model.vocab", [](json& t) { t["model"].erase("vocab"); });
  check_refused(Status::BadData, "model.merges", [](json& t) { t["model"].erase("merges"); });
}

TEST_CASE("a model of another kind is named") {
  check_refused(Status::NotSupported, "\"Unigram\", expected BPE",
                [](json& t) { t["model"]["type"] = "Unigram"; });
  check_refused(Status::NotSupported, "byte_fallback",
                [](json& t) { t["model"]["byte_fallback"] = true; });
  check_refused(Status::NotSupported, "not a byte-level BPE",
                [](json& t) { t["pre_tokenizer"] = nullptr; });
  check_refused(Status::NotSupported, "\"Lowercase\"", [](json& t) {
    t["normalizer"] = {{"type", "Lowercase"}};
  });
  check_refused(Status::NotSupported, "\"Metaspace\"", [](json& t) {
    t["pre_tokenizer"] = {{"type", "Metaspace"}};
  });
}

TEST_CASE("contradictions inside of a file are found") {
  check_refused(Status::BadData, "\"zza\"", [](json& t) {
    t["model"]["merges"].push_back({"zz", "a"});
  });
  check_refused(Status::BadData, "exactly two", [](json& t) {
    t["model"]["merges"].push_back({"a", "b", "c"});
  });
  check_refused(Status::BadData, "a space between",
                [](json& t) { t["model"]["merges"].push_back("ab"); });
  check_refused(Status::BadData, "merges", [](json& t) { t["model"]["merges"].push_back(7); });
  check_refused(Status::BadData, "id -1", [](json& t) { t["model"]["vocab"]["new"] = -1; });
  check_refused(Status::BadData, "no number", [](json& t) { t["model"]["vocab"]["new"] = "x"; });
  check_refused(Status::BadData, "id 99999999999",
                [](json& t) { t["model"]["vocab"]["new"] = 99999999999; });
  check_refused(Status::BadData, "unk_token", [](json& t) { t["model"]["unk_token"] = "none"; });
  check_refused(Status::BadData, "content", [](json& t) {
    t["added_tokens"].push_back({{"id", 1}});
  });
  check_refused(Status::BadData, "pattern", [](json& t) {
    const json split = {
        {"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}};
    t["pre_tokenizer"] = {{"type", "Sequence"},
                          {"pretokenizers", json::array({split, t["pre_tokenizer"]})}};
  });
}

TEST_CASE("a missing file is NotFound and names the file that was looked for") {
  const TemporaryFolder folder;
  for (const auto& path : {folder.path, folder.path / "no.json"}) {
    try {
      gesso::bpe::Tokenizer{path};
      FAIL("read");
    } catch (const Error& error) {
      CHECK(error.status() == Status::NotFound);
      CHECK(std::string(error.what()).find(".json: cannot open: No such file") !=
            std::string::npos);
    }
  }
}
