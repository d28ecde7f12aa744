// Answers of the engine, for people.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace gesso::cli {

/// A text as it is, anything else as JSON.
std::string text(const nlohmann::json& value);

/// One line per row, columns below their heads.
void print_table(const std::vector<std::string>& heads, const nlohmann::json& rows,
                 const std::vector<std::string>& keys);

/// Parameters with type, default and range; nothing when there are none.
void print_params(const std::string& title, const nlohmann::json& params);

/// "11.46 GiB".
std::string bytes_text(uint64_t bytes);

}  // namespace gesso::cli
