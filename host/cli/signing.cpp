#include "cli/signing.hpp"

#include <fmt/format.h>

#include <regex>

#include "cli/text_file.hpp"
#include "engine/base/atomic_file.hpp"
#include "engine/base/checksum.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::cli {

namespace fs = std::filesystem;

std::string sign_plugin(const fs::path& manifest) {
  const std::string text = read_text(manifest);
  const size_t table = text.find("\n[");  // keys of the top level stand before it
  std::string top = text.substr(0, table);
  const std::string rest = table == std::string::npos ? "" : text.substr(table);
  top = std::regex_replace(top, std::regex(R"((^|\n)[ \t]*sha256[ \t]*=[^\n]*)"), "");
  std::smatch library;
  if (!std::regex_search(
          top, library,
          std::regex(R"((?:^|\n)[ \t]*library[ \t]*=[ \t]*["']([^"'\n]+)["'][^\n]*)")))
    throw Error(Status::InvalidArgument,
                fmt::format("{}: no line library = \"...\" before the first table; is it the "
                            "manifest of a plugin with code?",
                            manifest.string()));
  const fs::path file = manifest.parent_path() / library[1].str();
  if (!fs::is_regular_file(file))
    throw Error(Status::NotFound, fmt::format("{}: no such file; build the plugin before its "
                                              "manifest is signed",
                                              file.string()));
  std::string digest = base::hash_file(file, base::Checksum::Sha256);
  const auto end = static_cast<size_t>(library.position(0) + library.length(0));
  top.insert(end, fmt::format("\nsha256 = \"{}\"", digest));
  base::write_file(manifest, top + rest);
  return digest;
}

}  // namespace gesso::cli
