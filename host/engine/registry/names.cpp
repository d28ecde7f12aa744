#include "engine/registry/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "engine/base/suggest.hpp"
#include "engine/registry/manifest_keys.hpp"

namespace gesso::registry {
namespace {

namespace fs = std::filesystem;

bool is_id(const std::string& text) {
  static const std::regex pattern(R"([a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)+)");
  return std::regex_match(text, pattern);
}

bool is_interface(const std::string& text) {
  static const std::regex pattern(R"([a-z0-9][a-z0-9_.-]*/[1-9][0-9]*)");
  return std::regex_match(text, pattern);
}

}  // namespace

std::string read_id(const StrictTable& table, std::string_view key) {
  std::string id = table.text(key);
  if (!is_id(id))
    table.fail(key, fmt::format("\"{}\" is no id; expected lower-case words, digits, _ and - with "
                                "dots between, such as \"org.example.z_image\"",
                                id));
  return id;
}

std::string read_kind(const StrictTable& table, std::string_view key) {
  std::string kind = table.text(key);
  if (std::ranges::find(kKinds, kind) == std::end(kKinds) && !is_id(kind))
    table.fail(key, fmt::format("unknown kind \"{}\"{}; a kind of your own is spelled like an id, "
                                "\"org.example.upscaler\"",
                                kind, base::did_you_mean(kind, kKinds)));
  return kind;
}

std::vector<std::string> read_interfaces(const StrictTable& table, std::string_view key) {
  std::vector<std::string> interfaces = table.texts(key);
  if (interfaces.empty()) table.fail(key, "a component has at least one interface");
  for (const std::string& id : interfaces)
    if (!is_interface(id))
      table.fail(key, fmt::format("\"{}\" is no interface id; expected a name and a revision, such "
                                  "as \"gesso.module/1\"",
                                  id));
  return interfaces;
}

fs::path inside_folder(const toml::node& where, std::string_view name, const fs::path& folder) {
  const fs::path path = fs::path(name).lexically_normal();
  if (path.empty() || path.is_absolute() || *path.begin() == "..")
    fail_at(where, fmt::format("\"{}\" must lie in the folder of the manifest", name));
  return folder / path;
}

}  // namespace gesso::registry
