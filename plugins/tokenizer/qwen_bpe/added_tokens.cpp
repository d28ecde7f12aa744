#include "added_tokens.hpp"

#include <algorithm>

#include "unicode.hpp"

namespace gesso::bpe {
namespace {

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  return !ends_with_word(text.substr(0, begin)) && !starts_with_word(text.substr(end));
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) {
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    empty_ = false;
    by_first_byte_[static_cast<uint8_t>(token.content[0])].push_back(std::move(token));
  }
  for (auto& bucket : by_first_byte_)
    std::stable_sort(bucket.begin(), bucket.end(), [](const auto& a, const auto& b) {
      return a.content.size() > b.content.size();
    });
}

const AddedToken* AddedTokenFinder::token_at(std::string_view text, size_t at) const {
  for (const AddedToken& token : by_first_byte_[static_cast<uint8_t>(text[at])])
    if (text.substr(at).starts_with(token.content)) return &token;
  return nullptr;
}

std::vector<Stretch> AddedTokenFinder::split(std::string_view text) const {
  if (empty_) return {{text, {}}};
  std::vector<Stretch> stretches;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = token_at(text, at);
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;
    if (token->single_word && !stands_alone(text, begin, end)) continue;
    if (token->lstrip) begin = std::max(done, begin - trailing_space(text.substr(0, begin)));
    if (token->rstrip) end += leading_space(text.substr(end));
    if (done < begin) stretches.push_back({text.substr(done, begin - done), {}});
    stretches.push_back({text.substr(begin, end - begin), static_cast<int32_t>(token->id)});
    done = end;
  }
  if (done < text.size()) stretches.push_back({text.substr(done), {}});
  return stretches;
}

}  // namespace gesso::bpe
