// Tokens that are found in a text before anything else happens to it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gesso::bpe {

/// As in "added_tokens" of tokenizer.json.
struct AddedToken {
  int64_t id = 0;
  std::string content;
  bool single_word = false;  // only between characters that are no letters, digits or marks
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // ... and behind it
  bool normalized = false;   // is looked for in the normalized text
};

/// A stretch of text: an added token when `id` is set, else text that is still to be tokenized.
struct Stretch {
  std::string_view text;
  std::optional<int32_t> id;
};

/// Finds tokens as the reference does: leftmost first, the longest of those that begin together.
class AddedTokenFinder {
 public:
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  std::vector<Stretch> split(std::string_view text) const;

 private:
  const AddedToken* token_at(std::string_view text, size_t at) const;

  std::array<std::vector<AddedToken>, 256> by_first_byte_;  // longest first
  bool empty_ = true;
};

}  // namespace gesso::bpe
