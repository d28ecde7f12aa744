// The real Qwen3 tokenizer against the reference, id for id.
#include <doctest/doctest.h>
#include <zlib.h>

#include <memory>

#include "small_tokenizer.hpp"

using nlohmann::json;
using Ids = std::vector<int32_t>;

namespace {

namespace fs = std::filesystem;

const fs::path kData = fs::path(GESSO_SOURCE_DIR) / "tests/golden/data";
constexpr size_t kMaxLength = 512;

std::string unpack(const fs::path& path) {
  const std::unique_ptr<gzFile_s, decltype(&gzclose)> file(gzopen(path.c_str(), "rb"), gzclose);
  REQUIRE_MESSAGE(file, path.string());
  std::string text;
  char buffer[1 << 16];
  for (int size; (size = gzread(file.get(), buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(size));
  return text;
}

// Loaded once for all tests of this file: it is the largest part of their time.
gesso::bpe::Tokenizer& qwen3() {
  static const TemporaryFolder folder;
  static gesso::bpe::Tokenizer tokenizer = [] {
    write_text(folder.path / "tokenizer.json", unpack(kData / "assets/qwen3/tokenizer.json.gz"));
    return gesso::bpe::Tokenizer(folder.path);
  }();
  return tokenizer;
}

json load_json(const fs::path& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file, path.string());
  return json::parse(file);
}

Ids cut(Ids ids) {
  if (ids.size() > kMaxLength) ids.resize(kMaxLength);
  return ids;
}

std::string chat(const std::string& prompt) {
  return "<|im_start|>user\n" + prompt + "<|im_end|>\n<|im_start|>assistant\n";
}

// The texts of Z-Image-Omni with n edit images; each is tokenized alone.
std::vector<std::string> omni_texts(const std::string& prompt, int n) {
  if (n == 0) return {chat(prompt)};
  std::vector<std::string> texts{"<|im_start|>user\n<|vision_start|>"};
  for (int i = 1; i < n; ++i) texts.push_back("<|vision_end|><|vision_start|>");
  texts.push_back("<|vision_end|>" + prompt +
                  "<|im_end|>\n<|im_start|>assistant\n<|vision_start|>");
  texts.push_back("<|vision_end|><|im_end|>");
  return texts;
}

void check_prompt(const json& prompt, const json& expected) {
  CAPTURE(prompt["id"].get<std::string>());
  const std::string text = prompt["text"];
  if (expected.contains("segments")) {
    std::vector<Ids> segments;
    for (const std::string& part : omni_texts(text, prompt["edit_images"]))
      segments.push_back(cut(qwen3().encode(part)));
    CHECK(segments == expected["segments"].get<std::vector<Ids>>());
    return;
  }
  const Ids ids = qwen3().encode(chat(text));
  if (expected["content_ids"].is_array())  // left out for the longest prompts
    CHECK(qwen3().encode(text) == expected["content_ids"].get<Ids>());
  CHECK(cut(ids) == expected["input_ids"].get<Ids>());
  CHECK(ids.size() == expected["untruncated_length"].get<size_t>());
}

}  // namespace

TEST_CASE("Qwen3: every golden prompt gives the reference's ids") {
  const json prompts = load_json(kData / "tokenizer/qwen3/inputs.json")["prompts"];
  const json expected = load_json(kData / "tokenizer/qwen3/outputs.json")["prompts"];
  REQUIRE(prompts.size() == expected.size());
  for (size_t i = 0; i < prompts.size(); ++i) check_prompt(prompts[i], expected[i]);
}

TEST_CASE("Qwen3: decoding gives the text back") {
  for (const std::string text :
       {"a red apple, 2024", "\xe4\xb8\x80\xe5\x8f\xaa\xe7\x8c\xab\n<|im_end|>", "  \t x\r\n"})
    CHECK(qwen3().decode(qwen3().encode(text)) == text);
}

TEST_CASE("Qwen3: special tokens have their ids") {
  CHECK(qwen3().token_id("<|endoftext|>") == 151643);
  CHECK(qwen3().token_id("<|im_start|>") == 151644);
  CHECK(qwen3().vocab_size() == 151669);
}
