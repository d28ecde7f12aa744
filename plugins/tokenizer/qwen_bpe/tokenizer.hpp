// Text to token ids and back, by the rules of a tokenizer.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "added_tokens.hpp"
#include "bpe.hpp"
#include "normalizer.hpp"
#include "pattern.hpp"
#include "tokenizer_file.hpp"

namespace gesso::bpe {

/// One call at a time per object. The ids are those of the `tokenizers` library without its
/// post-processing: no token is added that is not in the text, nothing is cut or padded.
class Tokenizer {
 public:
  /// @param path  tokenizer.json, or the folder that holds it
  /// @throws Error  as read_tokenizer_json, with the name of the file
  explicit Tokenizer(const std::filesystem::path& path);

  /// Added tokens inside the text are recognised, special ones too.
  /// @throws Error  InvalidArgument with the position of a byte that is not UTF-8
  std::vector<int32_t> encode(std::string_view text);

  /// Bytes that do not make up a character become U+FFFD.
  /// @throws Error  InvalidArgument for an id that no token has
  std::string decode(std::span<const int32_t> ids) const;

  /// Id of exactly this token, as it is written in the file.
  std::optional<int32_t> token_id(std::string_view token) const;

  /// One more than the largest id.
  size_t vocab_size() const { return vocab_size_; }

 private:
  explicit Tokenizer(TokenizerFile file);
  void encode_plain(std::string_view text, std::vector<int32_t>& ids);
  void encode_words(std::string_view text, std::vector<int32_t>& ids);

  std::vector<NormalForm> normal_forms_;
  std::vector<Pattern> patterns_;
  AddedTokenFinder raw_tokens_, normalized_tokens_;  // found before and after normalization
  Vocabulary added_;
  Bpe bpe_;
  size_t vocab_size_ = 0;
};

}  // namespace gesso::bpe
