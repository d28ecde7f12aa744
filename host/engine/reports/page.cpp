#include "engine/reports/page.hpp"

#include <fmt/format.h>

#include "engine/image/image_io.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::reports {
namespace {

constexpr const char* kStyle =
    "body{font:14px sans-serif;max-width:960px;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{border:1px solid #ddd;padding:2px 8px;text-align:left}"
    "figure{display:inline-block;margin:4px;width:160px;vertical-align:top}"
    "figure img{width:160px}figcaption{font-size:11px}pre{background:#f6f6f6;padding:8px}"
    ".facts span{display:inline-block;margin-right:2em}.facts b{display:block;font-size:18px}";

constexpr int kPictureQuality = 85;

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string base64(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < count ? bytes[at + i] : 0u);
    for (size_t i = 0; i < 4; ++i) {
      text += i <= count ? kDigits[bits >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

Page::Page(const std::string& title)
    : html_(fmt::format("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                        "<title>{0}</title><style>{1}</style></head><body>\n<h1>{0}</h1>\n",
                        escaped(title), kStyle)) {}

void Page::heading(const std::string& text) {
  html_ += fmt::format("<h2>{}</h2>\n", escaped(text));
}

void Page::facts(const std::vector<std::pair<std::string, std::string>>& list) {
  html_ += "<p class=\"facts\">";
  for (const auto& [name, value] : list) {
    html_ += fmt::format("<span>{}<b>{}</b></span>", escaped(name), escaped(value));
  }
  html_ += "</p>\n";
}

void Page::drawing(const std::string& svg) { html_ += svg; }

void Page::pictures(const std::string& title, const std::filesystem::path& folder,
                    const std::vector<std::string>& files,
                    const std::vector<std::string>& captions) {
  html_ += fmt::format("<h3>{}</h3>\n", escaped(title));
  for (size_t i = 0; i < files.size(); ++i) {
    try {
      const image::Image picture = image::load(folder / files[i]);
      const auto bytes = image::encode(picture, image::Format::Jpeg, {.quality = kPictureQuality});
      html_ += fmt::format(
          "<figure><img alt=\"\" src=\"data:image/jpeg;base64,{}\"><figcaption>{}</figcaption>"
          "</figure>\n",
          base64(bytes), i < captions.size() ? escaped(captions[i]) : "");
    } catch (const Error&) {
      continue;
    }
  }
}

void Page::table(const std::vector<std::string>& head,
                 const std::vector<std::vector<std::string>>& rows) {
  const auto row = [this](const std::vector<std::string>& cells, const char* tag) {
    html_ += "<tr>";
    for (const std::string& cell : cells)
      html_ += fmt::format("<{0}>{1}</{0}>", tag, escaped(cell));
    html_ += "</tr>\n";
  };
  html_ += "<table>\n";
  row(head, "th");
  for (const auto& cells : rows) row(cells, "td");
  html_ += "</table>\n";
}

void Page::text(const std::string& plain) {
  html_ += fmt::format("<pre>{}</pre>\n", escaped(plain));
}

}  // namespace gesso::reports
