// The plugins of this tree, read from their sources.
#include <doctest/doctest.h>

#include "plugin_folder.hpp"

using namespace gesso;
namespace fs = std::filesystem;

namespace {

void copy_toml(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const fs::directory_entry& entry : fs::directory_iterator(from))
    if (entry.path().extension() == ".toml")
      fs::copy_file(entry.path(), to / entry.path().filename(),
                    fs::copy_options::overwrite_existing);
}

// Folders <kind>/<name> of plugins that have a manifest.
std::vector<fs::path> plugin_sources() {
  std::vector<fs::path> folders;
  for (const fs::directory_entry& kind : fs::directory_iterator(GESSO_SOURCE_DIR "/plugins")) {
    if (!kind.is_directory()) continue;
    for (const fs::directory_entry& entry : fs::directory_iterator(kind))
      if (fs::exists(entry.path() / (entry.path().filename().string() + ".gesso.toml")))
        folders.push_back(entry.path());
  }
  return folders;
}

}  // namespace

TEST_CASE("the manifests and variants of this tree are accepted and fit together") {
  const test::PluginFolder folder;
  for (const fs::path& source : plugin_sources()) {
    const std::string name = source.filename();
    for (const fs::directory_entry& shared :
         fs::directory_iterator(GESSO_SOURCE_DIR "/plugins/common"))
      if (shared.is_directory()) copy_toml(shared, folder.path() / name);
    copy_toml(source, folder.path() / name);
    folder.write(name + "/" + name + ".so");
  }
  const auto registry = test::scan({folder.path()});
  for (const registry::Candidate& candidate : registry->candidates()) {
    CAPTURE(candidate.path.string());
    CHECK_MESSAGE(candidate.accepted, candidate.reason);
  }
  CHECK(registry->plugins().size() == plugin_sources().size());
  CHECK_FALSE(registry->variants().empty());
  for (const registry::VariantInfo& variant : registry->variants())
    for (const registry::Role& role : variant.roles) {
      CAPTURE(variant.id);
      CAPTURE(role.name);
      if (!role.component.empty()) CHECK(registry->component(role.component).kind == role.kind);
    }
}
