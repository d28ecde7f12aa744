// What a tokenizer.json says.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "added_tokens.hpp"
#include "normalizer.hpp"
#include "vocabulary.hpp"

namespace gesso::bpe {

/// Many short texts in one block.
class TextList {
 public:
  void add(std::string_view text) {
    text_ += text;
    ends_.push_back(text_.size());
  }
  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t i) const {
    const size_t begin = i ? ends_[i - 1] : 0;
    return std::string_view(text_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string text_;
  std::vector<size_t> ends_;
};

struct TokenizerFile {
  Vocabulary vocabulary;
  TextList merges;  // left, right, left, right, ... in the order of their rank
  std::vector<AddedToken> added_tokens;
  std::vector<NormalForm> normal_forms;
  std::vector<std::string> patterns;  // each cuts what the one before it left
  std::optional<std::string> unknown_token;
  bool ignore_merges = false;
};

/// `path`, or the tokenizer.json in it when it is a folder.
std::filesystem::path tokenizer_json(const std::filesystem::path& path);

/// @throws Error  NotFound or Denied for the file; BadData, naming the place, when it is no
///                tokenizer.json of a byte-level BPE or contradicts itself; NotSupported for parts
///                of the format that would change the ids and Gesso does not apply. The texts go
///                behind the name of the file, which they leave out.
TokenizerFile read_tokenizer_json(const std::filesystem::path& file);

}  // namespace gesso::bpe
