#include "pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <string>

#include "gesso/cpp/error.hpp"

namespace gesso::bpe {
namespace {

// Oniguruma's \s and \S in words of PCRE2; they may stand in and outside of brackets.
std::string for_pcre2(std::string_view regex) {
  std::string out;
  for (size_t i = 0; i < regex.size(); ++i) {
    if (regex[i] != '\\' || i + 1 == regex.size()) {
      out += regex[i];
      continue;
    }
    const char escaped = regex[++i];
    if (escaped == 's') {
      out += "\\p{White_Space}";
    } else if (escaped == 'S') {
      out += "\\P{White_Space}";
    } else {
      out += '\\';
      out += escaped;
    }
  }
  return out;
}

std::string message_of(int code) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

[[noreturn]] void search_failed(int code, size_t position) {
  const bool memory = code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAPLIMIT;
  throw Error(memory ? Status::OutOfMemory : Status::NotSupported,
              fmt::format("the text is too hard for the tokenizer's pattern at byte {}: {}",
                          position, message_of(code)));
}

}  // namespace

struct Pattern::Code {
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code;
  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match;
};

Pattern::Pattern(std::string_view regex) {
  const std::string translated = for_pcre2(regex);
  int error = 0;
  PCRE2_SIZE position = 0;
  // \C, a single byte, would cut characters apart.
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &position, nullptr);
  if (!code)
    throw Error(Status::BadData, fmt::format("pattern \"{}\": {} (at byte {} of \"{}\")", regex,
                                             message_of(error), position, translated));
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it the search is only slower
  code_ = std::make_shared<const Code>(
      Code{{code, pcre2_code_free},
           {pcre2_match_data_create_from_pattern(code, nullptr), pcre2_match_data_free}});
  if (!code_->match) throw std::bad_alloc();
}

void Pattern::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  size_t done = 0;
  const auto add = [&](size_t end) {
    if (end > done) pieces.push_back(text.substr(done, end - done));
    done = end;
  };
  for (size_t from = 0; from < text.size();) {
    // Valid UTF-8 was checked before; checking again at each call would cost quadratic time.
    const int found =
        pcre2_match(code_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                    PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, code_->match.get(), nullptr);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) search_failed(found, from);
    const PCRE2_SIZE* match = pcre2_get_ovector_pointer(code_->match.get());
    add(match[0]);
    add(match[1]);
    from = match[1];
  }
  add(text.size());
}

}  // namespace gesso::bpe
