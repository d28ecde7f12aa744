#include "engine/base/toml_text.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include "engine/base/mapped_file.hpp"

namespace gesso::base {
namespace {

constexpr size_t kMaxKeyParts = 16;
constexpr size_t kMaxFileBytes = 4 << 20;  // hundreds of times what people write by hand

/// Where the string that begins at `begin` ends: behind its last quote, or at the end of the text.
size_t end_of_string(std::string_view text, size_t begin) {
  const char quote = text[begin];
  const std::string three(3, quote);
  const std::string_view end = text.substr(begin).starts_with(three)
                                   ? std::string_view(three)
                                   : std::string_view(three).substr(2);
  for (size_t at = begin + end.size(); at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text.substr(at).starts_with(end)) {
      return at + end.size();
    } else if (text[at] == '\n' && end.size() == 1) {
      return at;  // which the parser will tell
    }
  }
  return text.size();
}

/// The line of the first key with too many parts; 0: there is none.
size_t line_of_deep_key(std::string_view text) {
  constexpr std::string_view kEndsKey = "=,[]{}\n";
  size_t line = 1, dots = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at++;
    if (text[begin] == '"' || text[begin] == '\'') {
      at = end_of_string(text, begin);
      line += static_cast<size_t>(std::ranges::count(text.substr(begin, at - begin), '\n'));
    } else if (text[begin] == '#') {
      at = std::min(text.find('\n', begin), text.size());
    } else if (kEndsKey.find(text[begin]) != std::string_view::npos) {
      dots = 0;
      line += text[begin] == '\n';
    } else if (text[begin] == '.' && ++dots == kMaxKeyParts) {
      return line;
    }
  }
  return 0;
}

[[noreturn]] void fail(const std::string& text, size_t line, std::string_view name) {
  const toml::source_position place{static_cast<toml::source_index>(line), 1};
  throw toml::parse_error(text.c_str(), place, std::make_shared<const std::string>(name));
}

}  // namespace

toml::table parse_toml(std::string_view text, std::string_view name) {
  if (const size_t line = line_of_deep_key(text))
    fail("a key of more than " + std::to_string(kMaxKeyParts) + " parts", line, name);
  return toml::parse(text, name);
}

toml::table read_toml(const std::filesystem::path& file) {
  const auto mapping = MappedFile::open(file);
  const auto bytes = mapping->bytes();
  if (bytes.size() > kMaxFileBytes)
    fail(std::to_string(bytes.size()) + " bytes are too many; is this a weight file?", 1,
         file.string());
  return parse_toml({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.string());
}

}  // namespace gesso::base
