#include "engine/weights/pattern_syntax.hpp"

#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace gesso::weights {
namespace {

[[noreturn]] void fail(std::string_view text, std::string_view expected) {
  throw Error(Status::InvalidArgument, fmt::format("\"{}\": expected {}", text, expected));
}

std::optional<int64_t> number_in(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

bool is_word(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0]))) return false;
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

/// "levels-1" -> "levels", -1.
std::pair<std::string, int64_t> parse_word_and_offset(std::string_view text) {
  const size_t sign = text.find_first_of("+-");
  const std::string_view word = text.substr(0, sign);
  if (!is_word(word)) fail(text, "a name such as n_layers");
  if (sign == std::string_view::npos) return {std::string(word), 0};
  const auto offset = number_in(text.substr(sign + 1));
  if (!offset || *offset < 0) fail(text, "a number behind the sign");
  return {std::string(word), text[sign] == '-' ? -*offset : *offset};
}

/// The inside of "{1..levels-1}".
IndexTerm parse_index(std::string_view text) {
  IndexTerm term;
  if (const size_t dots = text.find(".."); dots != std::string_view::npos) {
    const auto first = number_in(text.substr(0, dots));
    if (!first || *first < 0) fail(text, "a number before \"..\"");
    term.first = *first;
    text.remove_prefix(dots + 2);
  }
  std::tie(term.count, term.offset) = parse_word_and_offset(text);
  return term;
}

void parse_name(std::string_view text, TensorPattern& pattern) {
  pattern.text = text;
  while (true) {
    const size_t open = text.find('{');
    pattern.literals.emplace_back(text.substr(0, open));
    if (open == std::string_view::npos) return;
    const size_t close = text.find('}', open);
    if (close == std::string_view::npos) fail(pattern.text, "a } for each {");
    pattern.indices.push_back(parse_index(text.substr(open + 1, close - open - 1)));
    text.remove_prefix(close + 1);
  }
}

/// The inside of "C[levels-1]": which index of the name, and how far beside it.
void parse_subscript(std::string_view text, const std::vector<IndexTerm>& indices, SizeTerm& term) {
  if (const auto fixed = number_in(text)) {  // "C[0]" is a size of its own name
    term.symbol += fmt::format("[{}]", *fixed);
    return;
  }
  const auto [count, offset] = parse_word_and_offset(text);
  const auto found = std::find_if(indices.begin(), indices.end(),
                                  [&](const IndexTerm& index) { return index.count == count; });
  if (found == indices.end()) fail(text, "an index that the tensor's name has");
  term.index = static_cast<size_t>(found - indices.begin());
  term.index_offset = offset;
}

/// "4*D", "C[levels]", "256" or "_".
SizeTerm parse_size(std::string_view text, const std::vector<IndexTerm>& indices) {
  const std::string_view whole = text;
  SizeTerm term;
  if (text == "_") {
    term.factor = 0;
    return term;
  }
  if (const auto fixed = number_in(text)) {
    if (*fixed <= 0) fail(whole, "a positive extent");
    term.factor = *fixed;
    return term;
  }
  if (const size_t star = text.find('*'); star != std::string_view::npos) {
    const auto factor = number_in(text.substr(0, star));
    if (!factor || *factor <= 0) fail(whole, "a positive number before *");
    term.factor = *factor;
    text.remove_prefix(star + 1);
  }
  const size_t open = text.find('[');
  term.symbol = text.substr(0, open);
  if (!is_word(term.symbol)) fail(whole, "a size such as D, 4*D, C[levels], 256 or _");
  if (open != std::string_view::npos) {
    if (!text.ends_with(']')) fail(whole, "a ] at the end");
    parse_subscript(text.substr(open + 1, text.size() - open - 2), indices, term);
  }
  return term;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return words;
    const size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

}  // namespace

TensorPattern parse_tensor_pattern(std::string_view name, std::string_view shape) {
  TensorPattern pattern;
  parse_name(name, pattern);
  auto words = words_of(shape);
  if (const auto condition = std::find(words.begin(), words.end(), "if");
      condition != words.end()) {
    if (words.end() - condition != 4 || condition[2] != "!=")
      fail(shape, "\"if A != B\" at the end");
    pattern.differ = {parse_size(condition[1], pattern.indices),
                      parse_size(condition[3], pattern.indices)};
    words.erase(condition, words.end());
  }
  for (const std::string_view word : words) {
    pattern.shape.push_back(parse_size(word, pattern.indices));
  }
  return pattern;
}

std::optional<std::vector<int64_t>> match_name(const TensorPattern& pattern,
                                               std::string_view name) {
  constexpr size_t kMaxDigits = 9;
  std::vector<int64_t> values;
  if (!name.starts_with(pattern.literals[0])) return std::nullopt;
  name.remove_prefix(pattern.literals[0].size());
  for (size_t i = 0; i < pattern.indices.size(); ++i) {
    const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    if (digits == 0 || digits > kMaxDigits || (digits > 1 && name[0] == '0')) return std::nullopt;
    values.push_back(*number_in(name.substr(0, digits)));
    if (values.back() < pattern.indices[i].first) return std::nullopt;
    name.remove_prefix(digits);
    if (!name.starts_with(pattern.literals[i + 1])) return std::nullopt;
    name.remove_prefix(pattern.literals[i + 1].size());
  }
  if (!name.empty()) return std::nullopt;
  return values;
}

std::string fill_name(const TensorPattern& pattern, std::span<const int64_t> indices) {
  std::string name = pattern.literals[0];
  for (size_t i = 0; i < indices.size(); ++i) {
    name += fmt::to_string(indices[i]) + pattern.literals[i + 1];
  }
  return name;
}

std::string size_key(const SizeTerm& term, std::span<const int64_t> indices) {
  if (!term.index) return term.symbol;
  return fmt::format("{}[{}]", term.symbol, indices[*term.index] + term.index_offset);
}

std::optional<int64_t> extent_of(const SizeTerm& term, std::span<const int64_t> indices,
                                 const std::map<std::string, int64_t>& sizes) {
  if (term.factor == 0) return std::nullopt;
  if (term.symbol.empty()) return term.factor;
  const auto size = sizes.find(size_key(term, indices));
  int64_t extent = 0;
  if (size == sizes.end() || __builtin_mul_overflow(term.factor, size->second, &extent)) {
    return std::nullopt;
  }
  return extent;
}

bool exists(const TensorPattern& pattern, std::span<const int64_t> indices,
            const std::map<std::string, int64_t>& sizes) {
  if (!pattern.differ) return true;
  const auto a = extent_of(pattern.differ->first, indices, sizes);
  const auto b = extent_of(pattern.differ->second, indices, sizes);
  return !a || !b || *a != *b;
}

namespace {

int64_t end_of(const IndexTerm& term, const std::map<std::string, int64_t>& counts) {
  const auto count = counts.find(term.count);
  return (count == counts.end() ? 0 : count->second) + term.offset;
}

}  // namespace

void for_each_index(const TensorPattern& pattern, const std::map<std::string, int64_t>& counts,
                    const std::function<void(std::span<const int64_t>)>& visit) {
  if (index_combinations(pattern, counts) == 0) return;
  const auto& terms = pattern.indices;
  std::vector<int64_t> indices;
  for (const IndexTerm& term : terms) indices.push_back(term.first);
  while (true) {
    visit(indices);
    size_t at = terms.size();  // counts like an odometer: the last index is the fastest
    while (at > 0 && ++indices[at - 1] == end_of(terms[at - 1], counts)) {
      indices[at - 1] = terms[at - 1].first;
      --at;
    }
    if (at == 0) return;
  }
}

double index_combinations(const TensorPattern& pattern,
                          const std::map<std::string, int64_t>& counts) {
  double product = 1;
  for (const IndexTerm& term : pattern.indices) {
    product *= static_cast<double>(std::max<int64_t>(end_of(term, counts) - term.first, 0));
  }
  return product;
}

}  // namespace gesso::weights
