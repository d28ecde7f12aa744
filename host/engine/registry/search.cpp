#include "engine/registry/search.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <system_error>

#include "engine/registry/registered.hpp"

namespace gesso::registry {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".gesso.toml";

bool is_manifest(const fs::path& path) { return path.filename().string().ends_with(kSuffix); }

/// Collects candidates; a manifest that was met before is left out.
class Search {
 public:
  void given(const fs::path& path) {
    const std::string source = "given";
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (find_registered(path))
      candidates_.push_back({.path = path, .source = "registered", .plugin_id = {}, .reason = {}});
    else if (!fs::exists(status))
      refuse(path, source, "no such file or folder");
    else if (fs::is_directory(status))
      folder(path, source, true);
    else if (is_manifest(path))
      manifest(path, source);
    else if (path.extension() == ".so")
      library(path, source);
    else
      refuse(path, source,
             "expected a plugin's library (.so), its manifest (.gesso.toml) or a folder");
  }

  void environment(std::string_view paths) {
    const std::string source = "GESSO_PLUGIN_PATH";
    for (size_t begin = 0; begin <= paths.size();) {
      const size_t end = std::min(paths.find(':', begin), paths.size());
      const fs::path path(paths.substr(begin, end - begin));
      begin = end + 1;
      if (path.empty()) continue;
      if (path.is_relative())
        refuse(path, source,
               "a relative path would depend on the working folder; write it in full");
      else
        folder(path, source, true);
    }
  }

  /// @param needed  someone asked for this folder: say so when there is nothing in it
  void folder(const fs::path& path, const std::string& source, bool needed) {
    std::error_code error;
    std::vector<fs::path> entries = sorted_entries(path, error);
    if (error) {
      if (needed) refuse(path, source, "cannot read the folder: " + error.message());
      return;
    }
    size_t met = manifests_in(entries, source);
    for (const fs::path& entry : entries) {
      std::error_code ignored;  // what cannot be entered is no plugin folder
      if (fs::is_directory(entry, ignored))
        met += manifests_in(sorted_entries(entry, ignored), source);
    }
    if (met == 0 && needed)
      refuse(path, source, "no *.gesso.toml in the folder or one level below");
  }

  std::vector<Candidate> take() { return std::move(candidates_); }

 private:
  static std::vector<fs::path> sorted_entries(const fs::path& path, std::error_code& error) {
    std::vector<fs::path> entries;
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
      entries.push_back(it->path());
    std::ranges::sort(entries);
    return entries;
  }

  size_t manifests_in(const std::vector<fs::path>& entries, const std::string& source) {
    size_t count = 0;
    for (const fs::path& entry : entries)
      if (is_manifest(entry)) {
        manifest(entry, source);
        ++count;
      }
    return count;
  }

  void manifest(const fs::path& path, const std::string& source) {
    std::error_code error;
    fs::path real = fs::canonical(path, error);
    if (error)
      refuse(path, source, "cannot be read: " + error.message());
    else if (met_.insert(real).second)
      candidates_.push_back({.path = real, .source = source, .plugin_id = {}, .reason = {}});
  }

  void library(const fs::path& path, const std::string& source) {
    const fs::path beside = fs::path(path).replace_extension(kSuffix);
    std::error_code error;
    if (fs::exists(beside, error))
      manifest(beside, source);
    else
      refuse(path, source,
             fmt::format("there is no manifest {} beside the library; a plugin needs one",
                         beside.filename().string()));
  }

  void refuse(const fs::path& path, const std::string& source, const std::string& reason) {
    candidates_.push_back({.path = path, .source = source, .plugin_id = {}, .reason = reason});
  }

  std::vector<Candidate> candidates_;
  std::set<fs::path> met_;
};

/// The default folders, and what their plugins are said to be.
std::vector<std::pair<fs::path, std::string>> places() {
  std::vector<std::pair<fs::path, std::string>> list;
  if (const fs::path own = own_folder(); !own.empty()) {
    list.emplace_back(own / "gesso/plugins", "beside the program");
    list.emplace_back(own.parent_path() / "lib/gesso/plugins", "beside the program");
  }
#ifdef GESSO_INSTALL_PLUGIN_DIR
  list.emplace_back(GESSO_INSTALL_PLUGIN_DIR, "installed");
#endif
  return list;
}

}  // namespace

fs::path own_folder() {
  Dl_info info{};
  link_map* map = nullptr;
  void* here = reinterpret_cast<void*>(&own_folder);
  if (!dladdr1(here, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) || !map) return {};
  // The program itself has no name in the map, and argv[0] is whatever its caller says.
  const fs::path file = map->l_name[0] ? map->l_name : "/proc/self/exe";
  std::error_code error;
  return fs::canonical(file, error).parent_path();
}

std::vector<fs::path> default_folders() {
  std::vector<fs::path> folders;
  for (const auto& [folder, source] : places()) folders.push_back(folder);
  return folders;
}

std::vector<Candidate> find_manifests(const SearchOptions& options) {
  Search search;
  for (const fs::path& path : options.given) search.given(path);
  if (options.use_environment)
    if (const char* paths = secure_getenv("GESSO_PLUGIN_PATH")) search.environment(paths);
  if (options.use_default_paths) {
    for (const auto& [folder, source] : places()) search.folder(folder, source, false);
  }
  return search.take();
}

}  // namespace gesso::registry
