#include "tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "byte_level.hpp"
#include "gesso/cpp/error.hpp"
#include "text/utf8.hpp"
#include "tokenizer_file.hpp"
#include "unicode.hpp"

namespace gesso::bpe {
namespace {

int32_t id_of(const Vocabulary& vocabulary, std::string_view token, int32_t guess = -1) {
  if (const auto id = vocabulary.find(token, guess)) return *id;
  throw Error(Status::BadData, fmt::format("model: token \"{}\" of merges or unk_token is not in "
                                           "the vocabulary; is the file complete?",
                                           token));
}

MergeTable merges_of(const TokenizerFile& file) {
  const size_t count = file.merges.size() / 2;
  MergeTable merges(count);
  std::string joined;
  int32_t id = -1;
  for (size_t rank = 0; rank < count; ++rank) {
    const std::string_view left = file.merges[rank * 2], right = file.merges[rank * 2 + 1];
    joined.assign(left).append(right);
    id = id_of(file.vocabulary, joined, id + 1);  // ids mostly follow the ranks
    merges.add(id_of(file.vocabulary, left), id_of(file.vocabulary, right),
               {static_cast<int32_t>(rank), id});
  }
  return merges;
}

Bpe bpe_of(TokenizerFile& file) {
  BpeOptions options;
  options.ignore_merges = file.ignore_merges;
  if (file.unknown_token) options.unknown = id_of(file.vocabulary, *file.unknown_token);
  MergeTable merges = merges_of(file);
  return Bpe(std::move(file.vocabulary), std::move(merges), options);
}

AddedTokenFinder finder_of(const TokenizerFile& file, bool normalized) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : file.added_tokens) {
    if (token.normalized != normalized) continue;
    if (normalized) token.content = normalize(token.content, file.normal_forms);
    tokens.push_back(std::move(token));
  }
  return AddedTokenFinder(std::move(tokens));
}

std::vector<Pattern> patterns_of(const TokenizerFile& file) {
  return {file.patterns.begin(), file.patterns.end()};
}

Vocabulary added_of(const TokenizerFile& file) {
  Vocabulary added;
  for (const AddedToken& token : file.added_tokens) added.add(token.content, token.id);
  return added;
}

}  // namespace

Tokenizer::Tokenizer(const std::filesystem::path& path) try
    : Tokenizer(read_tokenizer_json(tokenizer_json(path))) {
} catch (const Error& error) {
  throw Error(error.status(), fmt::format("{}: {}", tokenizer_json(path).string(),
                                          text::repair_utf8(error.what())));
}

Tokenizer::Tokenizer(TokenizerFile file)
    : normal_forms_(file.normal_forms),
      patterns_(patterns_of(file)),
      raw_tokens_(finder_of(file, false)),
      normalized_tokens_(finder_of(file, true)),
      added_(added_of(file)),
      bpe_(bpe_of(file)),
      vocab_size_(std::max(added_.end_id(), bpe_.vocabulary().end_id())) {}

std::vector<int32_t> Tokenizer::encode(std::string_view text) {
  text::check_utf8(text);
  std::vector<int32_t> ids;
  for (const Stretch& stretch : raw_tokens_.split(text)) {
    if (stretch.id) {
      ids.push_back(*stretch.id);
    } else {
      encode_plain(stretch.text, ids);
    }
  }
  return ids;
}

void Tokenizer::encode_plain(std::string_view text, std::vector<int32_t>& ids) {
  const std::string normal = normalize(text, normal_forms_);
  for (const Stretch& stretch : normalized_tokens_.split(normal)) {
    if (stretch.id) {
      ids.push_back(*stretch.id);
    } else {
      encode_words(stretch.text, ids);
    }
  }
}

void Tokenizer::encode_words(std::string_view text, std::vector<int32_t>& ids) {
  std::vector<std::string_view> pieces{text};
  for (const Pattern& pattern : patterns_) {
    std::vector<std::string_view> smaller;
    for (std::string_view piece : pieces) pattern.split(piece, smaller);
    pieces = std::move(smaller);
  }
  for (std::string_view word : pieces) bpe_.encode(word, ids);
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string bytes;
  for (int32_t id : ids) {
    if (const auto added = added_.text(id)) {
      bytes += *added;
    } else if (const auto token = bpe_.vocabulary().text(id)) {
      bytes += from_byte_level(*token).value_or(std::string(*token));
    } else {
      throw Error(Status::InvalidArgument,
                  fmt::format("no token has the id {}, expected 0 to {}", id, vocab_size_ - 1));
    }
  }
  return text::repair_utf8(bytes);
}

std::optional<int32_t> Tokenizer::token_id(std::string_view token) const {
  if (const auto id = added_.find(token)) return id;
  return bpe_.vocabulary().find(token);
}

}  // namespace gesso::bpe
