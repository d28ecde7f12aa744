#include "engine/config/output_path.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "engine/base/suggest.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace {

constexpr size_t kMaxPromptBytes = 48;  // leaves room in the 255 bytes that a file name may have
constexpr std::string_view kPlaceholders[] = {"name", "index", "seed", "prompt"};
constexpr std::string_view kEndings[] = {".png", ".jpg", ".jpeg", ".webp"};

/// ASCII letters and digits and all other scripts as they are, anything between them as one "-".
std::string slug(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      (static_cast<unsigned char>(c) & 0x80);
    if (kept) {
      result += c;
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  if (result.size() > kMaxPromptBytes) {
    size_t end = kMaxPromptBytes;
    while (end > 0 && (static_cast<unsigned char>(result[end]) & 0xC0) == 0x80) --end;
    result.resize(end);
  }
  while (!result.empty() && result.back() == '-') result.pop_back();
  return result.empty() ? "untitled" : result;
}

std::string value_of(std::string_view placeholder, const OutputName& picture) {
  if (placeholder == "name") return picture.name;
  if (placeholder == "index") return fmt::format("{:04}", picture.index);
  if (placeholder == "seed") return fmt::format("{}", picture.seed);
  return slug(picture.prompt);
}

/// Runs over the pattern; `text` and `placeholder` take the pieces in order.
/// @return what is wrong, or ""
template <class Text, class Placeholder>
std::string for_each_piece(std::string_view pattern, Text text, Placeholder placeholder) {
  while (!pattern.empty()) {
    const size_t open = pattern.find_first_of("{}");
    text(pattern.substr(0, open));
    if (open == std::string_view::npos) return {};
    const size_t close = pattern.find('}', open);
    if (pattern[open] == '}' || close == std::string_view::npos) {
      return "a brace stands alone; placeholders look like {seed}";
    }
    const std::string_view word = pattern.substr(open + 1, close - open - 1);
    if (std::find(std::begin(kPlaceholders), std::end(kPlaceholders), word) ==
        std::end(kPlaceholders)) {
      const std::string advice = base::did_you_mean(word, kPlaceholders);
      return fmt::format(
          "unknown placeholder {{{}}}{}", word,
          advice.empty() ? "; there are {name}, {index}, {seed} and {prompt}" : advice);
    }
    placeholder(word);
    pattern.remove_prefix(close + 1);
  }
  return {};
}

std::string check_ending(std::string_view pattern) {
  std::string ending = std::filesystem::path(pattern).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (std::find(std::begin(kEndings), std::end(kEndings), ending) != std::end(kEndings)) return {};
  return fmt::format("\"{}\" does not end in .png, .jpg, .jpeg or .webp", pattern);
}

}  // namespace

std::string check_output_path(std::string_view pattern) {
  const auto ignore = [](std::string_view) {};
  std::string problem = for_each_piece(pattern, ignore, ignore);
  return problem.empty() ? check_ending(pattern) : problem;
}

std::string expand_output_path(std::string_view pattern, const OutputName& picture) {
  if (const std::string problem = check_output_path(pattern); !problem.empty()) {
    throw Error(Status::InvalidArgument, "output path: " + problem);
  }
  std::string path;
  for_each_piece(
      pattern, [&](std::string_view text) { path += text; },
      [&](std::string_view placeholder) { path += value_of(placeholder, picture); });
  return path;
}

std::vector<std::string> expand_output_paths(std::string_view pattern,
                                             std::span<const OutputName> pictures) {
  std::vector<std::string> paths;
  std::set<std::string> seen;
  for (const OutputName& picture : pictures) {
    paths.push_back(expand_output_path(pattern, picture));
    if (!seen.insert(paths.back()).second) {
      throw Error(Status::InvalidArgument,
                  fmt::format("output path: two of {} pictures would be written to \"{}\"; put "
                              "{{index}} or {{seed}} into \"{}\"",
                              pictures.size(), paths.back(), pattern));
    }
  }
  return paths;
}

}  // namespace gesso::config
