// A page of HTML that needs no other file.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gesso::reports {

class Page {
 public:
  explicit Page(const std::string& title);
  void heading(const std::string& text);
  void facts(const std::vector<std::pair<std::string, std::string>>& list);
  void drawing(const std::string& svg);
  /// Files below `folder` in a row, put into the page as JPEG; those that are gone are left out.
  void pictures(const std::string& title, const std::filesystem::path& folder,
                const std::vector<std::string>& files, const std::vector<std::string>& captions);
  void table(const std::vector<std::string>& head,
             const std::vector<std::vector<std::string>>& rows);
  void text(const std::string& plain);
  std::string finish() const { return html_ + "</body></html>\n"; }

 private:
  std::string html_;
};

/// "&lt;" for "<", and so on.
std::string escaped(std::string_view text);
std::string base64(std::span<const uint8_t> bytes);

}  // namespace gesso::reports
