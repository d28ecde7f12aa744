#include "cli/tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace gesso::cli {

using nlohmann::json;

namespace {

std::string range_text(const json& param) {
  std::string result = param["type"];
  if (param.contains("min")) result += fmt::format(", from {}", text(param["min"]));
  if (param.contains("max")) result += fmt::format(", up to {}", text(param["max"]));
  if (param.contains("unit")) result += fmt::format(", {}", text(param["unit"]));
  if (param.contains("choices")) {
    result += fmt::format(", one of {}",
                          fmt::join(param["choices"].get<std::vector<std::string>>(), ", "));
  }
  if (param.contains("default")) result += fmt::format("; default {}", param["default"].dump());
  return result;
}

}  // namespace

std::string text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void print_table(const std::vector<std::string>& heads, const json& rows,
                 const std::vector<std::string>& keys) {
  std::vector<std::vector<std::string>> lines{heads};
  for (const json& row : rows) {
    std::vector<std::string>& line = lines.emplace_back();
    for (const std::string& key : keys) line.push_back(text(row.at(key)));
  }
  for (const auto& line : lines) {
    std::string printed;
    for (size_t i = 0; i < line.size(); ++i) {
      size_t width = 0;
      for (const auto& other : lines) width = std::max(width, other[i].size());
      printed += i + 1 < line.size() ? fmt::format("{:<{}}  ", line[i], width) : line[i];
    }
    fmt::print("{}\n", printed);
  }
}

void print_params(const std::string& title, const json& params) {
  if (params.empty()) return;
  fmt::print("\n{}:\n", title);
  for (const json& param : params) {
    fmt::print("  {}  ({})\n      {}\n", text(param["key"]), range_text(param),
               text(param["summary"]));
  }
}

std::string bytes_text(uint64_t bytes) {
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  for (; size >= 1024 && unit < 4; ++unit) size /= 1024;
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.2f} {}", size, units[unit]);
}

}  // namespace gesso::cli
