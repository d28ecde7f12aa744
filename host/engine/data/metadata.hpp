// Metadata files: .csv (RFC 4180), .json (a list of objects), .jsonl (an object per line).
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace gesso::data {

/// One item as the file says it.
struct Row {
  std::string where;      // "metadata.csv:12" or "metadata.json: item 12"
  nlohmann::json values;  // an object: columns by name
};

/// Cells of CSV are numbers, True, False or text; an empty one is null. Columns named in `texts`
/// are always text, even when they look like a number, and empty when their cells are.
///
/// @throws Error  NotFound, Denied; InvalidArgument for another extension; BadData with the line: a
///                row with too few or too many cells, a stray or an unclosed quote, a column twice,
///                what is no object, text that is not UTF-8, a file without rows
std::vector<Row> read_metadata(const std::filesystem::path& path,
                               std::span<const std::string> texts);

}  // namespace gesso::data
