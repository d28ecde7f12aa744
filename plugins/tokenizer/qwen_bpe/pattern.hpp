// Regular expressions of tokenizer files, run by PCRE2.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

namespace gesso::bpe {

/// Cuts texts where a pattern matches. The files are written for Oniguruma; \s and \S are taken as
/// it takes them (the White_Space property), which PCRE2 does not (U+180E).
class Pattern {
 public:
  /// @throws Error  BadData with the position of what is wrong with `regex`
  explicit Pattern(std::string_view regex);

  /// Appends the pieces of `text` (valid UTF-8): each match, and what lies between matches.
  /// @throws Error  OutOfMemory or NotSupported when the search gives up
  void split(std::string_view text, std::vector<std::string_view>& pieces) const;

 private:
  struct Code;  // pcre2_code and its match data
  std::shared_ptr<const Code> code_;
};

}  // namespace gesso::bpe
