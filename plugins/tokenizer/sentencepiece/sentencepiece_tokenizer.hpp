// Text to token ids and back, by a SentencePiece model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace gesso::spm {

/// The ids are those of the library's Encode: no begin or end token is added. User-defined symbols
/// inside a text are recognised; control symbols are not, they have no text by definition.
class Tokenizer {
 public:
  /// @param path  a .model file, or a folder with tokenizer.model, spiece.model or
  ///              sentencepiece.bpe.model
  /// @throws Error  NotFound for a missing file, BadData for one that is no SentencePiece model
  explicit Tokenizer(const std::filesystem::path& path);
  ~Tokenizer();

  /// @throws Error  InvalidArgument with the position of a byte that is not UTF-8
  std::vector<int32_t> encode(std::string_view text) const;

  /// @throws Error  InvalidArgument for an id that no token has
  std::string decode(std::span<const int32_t> ids) const;

  /// Id of exactly this piece, as the model spells it (a space is U+2581).
  std::optional<int32_t> token_id(std::string_view token) const;

  size_t vocab_size() const;

 private:
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
};

}  // namespace gesso::spm
