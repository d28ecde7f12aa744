#include "engine/registry/trust.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <regex>

#include "engine/base/checksum.hpp"
#include "engine/registry/registered.hpp"
#include "engine/registry/search.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::registry {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kShipped = "shipped", kDigest = "sha256:";

/// One entry of the allow list: "org.example.one", "org.example.*", "shipped", each alone or with
/// "@sha256:<digest>" behind it; or the digest alone.
struct Entry {
  std::string id, sha256;
};

Entry parse(const std::string& text) {
  const auto fail = [&] {
    throw Error(Status::InvalidArgument,
                fmt::format("trusted_plugins: \"{}\" is no entry; expected an id, an id that ends "
                            "in \".*\", \"shipped\", \"sha256:\" and 64 digits, or an id with "
                            "\"@sha256:\" and 64 digits behind it",
                            text));
  };
  Entry entry;
  const size_t digest = text.find(kDigest);
  entry.id = text.substr(0, digest);
  if (digest != std::string::npos) {
    if (!entry.id.empty() && entry.id.back() != '@') fail();
    if (!entry.id.empty()) entry.id.pop_back();
    const auto sum = base::checksum_of(text.substr(digest + kDigest.size()));
    if (sum.kind != base::Checksum::Sha256) fail();
    entry.sha256 = sum.hex;
  }
  static const std::regex id(R"(shipped|[a-z0-9_-]+(\.[a-z0-9_-]+)*\.([a-z0-9_-]+|\*))");
  const bool has_id = std::regex_match(entry.id, id);
  if (!has_id && (entry.sha256.empty() || !entry.id.empty())) fail();
  return entry;
}

bool names(const Entry& entry, const PluginInfo& plugin) {
  if (entry.id.empty()) return true;
  if (entry.id == kShipped) return is_shipped(plugin.manifest);
  if (entry.id.ends_with(".*"))
    return plugin.id.starts_with(std::string_view(entry.id).substr(0, entry.id.size() - 1));
  return plugin.id == entry.id;
}

std::string digest_of(const PluginInfo& plugin) {
  if (plugin.library.empty()) return "";
  if (!plugin.sha256.empty()) return plugin.sha256;
  return base::hash_file(plugin.library, base::Checksum::Sha256);
}

void check_listed(PluginInfo& plugin, const std::vector<std::string>& list) {
  std::string expected;
  for (const std::string& text : list) {
    const Entry entry = parse(text);
    if (!names(entry, plugin)) continue;
    if (entry.sha256.empty()) return;
    if (digest_of(plugin) == entry.sha256) {
      plugin.sha256 = entry.sha256;
      return;
    }
    if (!entry.id.empty()) expected = entry.sha256;
  }
  if (!expected.empty())
    throw Error(Status::Denied,
                fmt::format("{}: trusted_plugins names \"{}\" with the SHA-256 {}, found {}; it is "
                            "another build than the one that is trusted",
                            plugin.library.string(), plugin.id, expected, digest_of(plugin)));
  const bool only_shipped = list.size() == 1 && list.front() == kShipped;
  throw Error(Status::Denied,
              only_shipped
                  ? fmt::format("\"{}\" is a third party's: only plugins that came with this build "
                                "are loaded (--no-third-party)",
                                plugin.id)
                  : fmt::format("\"{}\" is not trusted: trusted_plugins lists {}", plugin.id,
                                fmt::join(list, ", ")));
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// @param inside  the file or folder of the path that lies in it; null: it is the path itself
void check_one(const fs::path& path, const struct stat* inside, struct stat& info) {
  if (::lstat(path.c_str(), &info) != 0)
    throw Error(Status::Denied, fmt::format("{}: cannot be looked at", path.string()));
  const auto mine = [](const struct stat& s) { return s.st_uid == 0 || s.st_uid == ::geteuid(); };
  if (!mine(info))
    throw Error(Status::Denied,
                fmt::format("{} belongs to user {}, expected root or this user ({}); whoever owns "
                            "it could replace the plugin. chown it, or allow it with "
                            "--allow-writable-plugins",
                            path.string(), info.st_uid, ::geteuid()));
  // In a sticky folder only owners can rename and delete.
  const bool sticky = inside && S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX);
  if ((info.st_mode & S_IWOTH) && !sticky)
    throw Error(Status::Denied,
                fmt::format("everybody may write to {} (mode {:o}); anybody could replace the "
                            "plugin. Use chmod o-w, or allow it with --allow-writable-plugins",
                            path.string(), info.st_mode & 07777));
}

}  // namespace

Trust checked_trust(Trust trust, bool use_environment) {
  if (trust.plugins.empty() && use_environment)
    if (const char* listed = secure_getenv("GESSO_TRUSTED_PLUGINS")) trust.plugins = split(listed);
  for (const std::string& entry : trust.plugins) parse(entry);
  return trust;
}

void check_owner(const fs::path& path) {
  struct stat info {
  }, inside{};
  bool first = true;
  for (fs::path at = fs::canonical(path);; at = at.parent_path()) {
    check_one(at, first ? nullptr : &inside, info);
    inside = info;
    first = false;
    if (at == at.root_path()) return;
  }
}

bool is_shipped(const fs::path& manifest) {
  for (const fs::path& folder : default_folders()) {
    std::error_code error;
    const fs::path real = fs::canonical(folder, error);
    if (error) continue;
    std::ifstream list(real / "shipped.txt");
    for (std::string name; std::getline(list, name);)
      if (manifest == real / name) return true;
  }
  return false;
}

void check_trust(Manifest& manifest, const Trust& trust) {
  PluginInfo& plugin = manifest.plugin;
  if (find_registered(plugin.manifest)) return;  // the host's own code
  if (!trust.writable_files) {
    if (!plugin.library.empty()) check_owner(plugin.library);
    for (const VariantInfo& variant : manifest.variants) check_owner(variant.file);
  }
  if (!trust.plugins.empty()) check_listed(plugin, trust.plugins);
}

}  // namespace gesso::registry
