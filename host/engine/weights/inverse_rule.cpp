#include "engine/weights/inverse_rule.hpp"

#include <cctype>
#include <string_view>
#include <vector>

namespace gesso::weights {
namespace {

/// Literal text, or a group by its number, from 1.
struct Piece {
  std::string literal;
  size_t group = 0;
};

struct Expression {
  bool from_start = false, to_end = false;
  std::vector<Piece> pieces;
  std::vector<std::string> groups;  // what stands between the parentheses
};

bool is_letter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
}

std::optional<Expression> parse_expression(std::string_view text) {
  Expression parsed;
  if (text.starts_with('^')) {
    parsed.from_start = true;
    text.remove_prefix(1);
  }
  while (!text.empty()) {
    if (text == "$") {
      parsed.to_end = true;
      return parsed;
    }
    if (text[0] == '(') {
      const size_t close = text.find(')');
      if (close == std::string_view::npos) return std::nullopt;
      const std::string_view inside = text.substr(1, close - 1);
      if (inside.empty() || inside[0] == '?' || inside.find('(') != std::string_view::npos) {
        return std::nullopt;
      }
      parsed.groups.emplace_back(inside);
      parsed.pieces.push_back({"", parsed.groups.size()});
      text.remove_prefix(close + 1);
    } else if (text[0] == '\\' && text.size() > 1 && !is_letter(text[1])) {
      parsed.pieces.push_back({std::string(1, text[1]), 0});
      text.remove_prefix(2);
    } else if (is_letter(text[0])) {
      parsed.pieces.push_back({std::string(1, text[0]), 0});
      text.remove_prefix(1);
    } else {
      return std::nullopt;
    }
  }
  return parsed;
}

std::optional<std::vector<Piece>> parse_replacement(std::string_view text) {
  std::vector<Piece> pieces;
  while (!text.empty()) {
    if (text[0] != '$') {
      pieces.push_back({std::string(1, text[0]), 0});
      text.remove_prefix(1);
      continue;
    }
    const bool one_digit = text.size() > 1 && text[1] >= '1' && text[1] <= '9' &&
                           (text.size() == 2 || !std::isdigit(static_cast<unsigned char>(text[2])));
    if (!one_digit) return std::nullopt;
    pieces.push_back({"", static_cast<size_t>(text[1] - '0')});
    text.remove_prefix(2);
  }
  return pieces;
}

}  // namespace

std::optional<RenameRule> inverse(const std::string& expression, const std::string& replacement) {
  const auto from = parse_expression(expression);
  const auto to = parse_replacement(replacement);
  if (!from || !to) return std::nullopt;

  std::string turned = from->from_start ? "^" : "";
  std::vector<size_t> number(from->groups.size() + 1, 0);  // of each group in the new expression
  size_t count = 0;
  for (const Piece& piece : *to) {
    if (piece.group == 0) {
      turned += (is_letter(piece.literal[0]) ? "" : "\\") + piece.literal;
      continue;
    }
    if (piece.group >= number.size() || number[piece.group] != 0) return std::nullopt;
    number[piece.group] = ++count;
    turned += "(" + from->groups[piece.group - 1] + ")";
  }
  if (count != from->groups.size()) return std::nullopt;
  if (from->to_end) turned += "$";

  std::string into;
  for (const Piece& piece : from->pieces) {
    into += piece.group == 0 ? piece.literal : "$" + std::to_string(number[piece.group]);
  }
  return RenameRule{std::regex(turned), turned, into};
}

}  // namespace gesso::weights
