#include "engine/data/metadata.hpp"

#include <csv.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "engine/base/excerpt.hpp"
#include "engine/base/json_text.hpp"
#include "engine/base/mapped_file.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

[[noreturn]] void bad(const std::string& where, const std::string& text) {
  throw Error(Status::BadData, where + ": " + text);
}

std::string_view without_byte_order_mark(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

bool is_utf8(const std::string& text) {
  try {
    return !json(text).dump().empty();
  } catch (const json::exception&) {
    return false;
  }
}

// --- CSV ---------------------------------------------------------------------------------------

/// A row as the parser gives it, and the line it begins in.
struct Cells {
  std::vector<std::string> cells;
  size_t line = 0;
};

/// Splits text into rows by libcsv; the grammar is RFC 4180's, strictly.
class CsvReader {
 public:
  CsvReader(std::string_view text, std::string name) : text_(text), name_(std::move(name)) {
    if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
    // Spaces belong to their cells.
    csv_set_space_func(&parser_, [](unsigned char) { return 0; });
  }
  ~CsvReader() { csv_free(&parser_); }
  CsvReader(const CsvReader&) = delete;
  CsvReader& operator=(const CsvReader&) = delete;

  std::vector<Cells> read() {
    for (size_t at = 0, line = 1; at < text_.size(); ++line) {
      const size_t end = std::min(text_.find('\n', at), text_.size() - 1) + 1;
      const bool between_rows = row_.cells.empty() && !parser_.quoted;
      if (between_rows) row_.line = line;
      feed(text_.substr(at, end - at), line);
      at = end;
    }
    if (csv_fini(&parser_, on_cell, on_row, this) != 0) {
      bad(fmt::format("{}:{}", name_, row_.line),
          "a quote (\") is opened in this row and never closed");
    }
    return std::move(rows_);
  }

 private:
  void feed(std::string_view piece, size_t line) {
    if (csv_parse(&parser_, piece.data(), piece.size(), on_cell, on_row, this) == piece.size()) {
      return;
    }
    if (csv_error(&parser_) == CSV_ENOMEM) throw std::bad_alloc();
    bad(fmt::format("{}:{}", name_, line),
        "a quote (\") inside a cell without quotes, or text behind a closing quote; put quotes "
        "around the whole cell and double those in it");
  }
  static void on_cell(void* text, size_t size, void* self) {
    static_cast<CsvReader*>(self)->row_.cells.emplace_back(static_cast<const char*>(text), size);
  }
  static void on_row(int, void* self) {
    auto& reader = *static_cast<CsvReader*>(self);
    reader.rows_.push_back(std::exchange(reader.row_, {}));
  }

  std::string_view text_;
  std::string name_;
  csv_parser parser_;
  Cells row_;
  std::vector<Cells> rows_;
};

json typed(const std::string& cell) {
  if (cell.empty()) return nullptr;
  if (cell == "True" || cell == "true") return true;
  if (cell == "False" || cell == "false") return false;
  const json value = base::parse_json(cell);
  return value.is_number() || value.is_array() || value.is_object() ? value : json(cell);
}

void check_header(const Cells& header, const std::string& where) {
  std::vector<std::string> names = header.cells;
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) bad(where, fmt::format("the column \"{}\" is there twice", *twice));
  if (names.front().empty()) bad(where, "a column has no name");
}

std::vector<Row> read_csv(std::string_view text, const std::string& name,
                          std::span<const std::string> texts) {
  const std::vector<Cells> rows = CsvReader(text, name).read();
  if (rows.empty()) bad(name, "the file is empty; expected a line with the names of the columns");
  const std::vector<std::string>& columns = rows.front().cells;
  check_header(rows.front(), fmt::format("{}:{}", name, rows.front().line));

  std::vector<Row> result;
  for (size_t i = 1; i < rows.size(); ++i) {
    const auto& [cells, line] = rows[i];
    Row row{fmt::format("{}:{}", name, line), json::object()};
    if (cells.size() != columns.size()) {
      bad(row.where, fmt::format("expected {} cells as in the first line, found {}; a text with a "
                                 "comma in it needs quotes around it",
                                 columns.size(), cells.size()));
    }
    for (size_t column = 0; column < columns.size(); ++column) {
      const std::string& cell = cells[column];
      if (!is_utf8(cell)) bad(row.where, "the text is not UTF-8");
      const bool text_column = std::ranges::find(texts, columns[column]) != texts.end();
      row.values[columns[column]] = text_column ? json(cell) : typed(cell);
    }
    result.push_back(std::move(row));
  }
  return result;
}

// --- JSON --------------------------------------------------------------------------------------

json parse_json(std::string_view text, const std::string& where) {
  try {
    return json::parse(text);
  } catch (const json::exception& error) {
    bad(where, base::clean(error.what()));
  }
}

void add_object(json value, std::string where, std::vector<Row>& rows) {
  if (!value.is_object()) {
    bad(where,
        fmt::format("expected an object such as {{\"image\": \"a.png\", \"prompt\": \"...\"}}, "
                    "found {}",
                    value.type_name()));
  }
  rows.push_back({std::move(where), std::move(value)});
}

std::vector<Row> read_json(std::string_view text, const std::string& name) {
  json list = parse_json(text, name);
  if (!list.is_array())
    bad(name, fmt::format("expected a list of objects, found {}", list.type_name()));
  std::vector<Row> rows;
  for (json& value : list) {
    add_object(std::move(value), fmt::format("{}: item {}", name, rows.size() + 1), rows);
  }
  return rows;
}

std::vector<Row> read_jsonl(std::string_view text, const std::string& name) {
  std::vector<Row> rows;
  for (size_t at = 0, line = 1; at < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view one = text.substr(at, end - at);
    const std::string where = fmt::format("{}:{}", name, line);
    if (one.find_first_not_of(" \t\r") != std::string_view::npos) {
      add_object(parse_json(one, where), where, rows);
    }
    at = end + 1;
  }
  return rows;
}

}  // namespace

std::vector<Row> read_metadata(const fs::path& path, std::span<const std::string> texts) {
  const auto file = base::MappedFile::open(path);
  const auto bytes = file->bytes();
  const std::string_view text =
      without_byte_order_mark({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const std::string name = path.string(), extension = path.extension().string();
  std::vector<Row> rows;
  if (extension == ".csv") {
    rows = read_csv(text, name, texts);
  } else if (extension == ".json") {
    rows = read_json(text, name);
  } else if (extension == ".jsonl") {
    rows = read_jsonl(text, name);
  } else {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: expected a .csv, .json or .jsonl file", name));
  }
  if (rows.empty()) bad(name, "the dataset is empty: there is no item in it");
  return rows;
}

}  // namespace gesso::data
