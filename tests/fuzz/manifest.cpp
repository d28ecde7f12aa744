// Manifests of plugins and files of variants: what the registry reads of every folder it searches.
#include "engine/registry/manifest.hpp"
#include "engine/registry/variant.hpp"
#include "input.hpp"

namespace {

/// A manifest among the files that it may name.
struct PluginFolder : gesso::fuzz::InputFile {
  PluginFolder() : InputFile("one.gesso.toml") {
    const std::filesystem::path source = GESSO_SOURCE_DIR;
    std::ofstream(folder() / "one.so");
    std::filesystem::copy_file(source / "plugins/common/z_image/weights.toml",
                               folder() / "weights.toml");
    std::filesystem::copy_file(source / "tests/unit/config/fixtures/tiny.variant.toml",
                               folder() / "one.variant.toml");
  }
};

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const PluginFolder file;
  const std::string_view text = gesso::fuzz::text_of(data, size);
  gesso::fuzz::expect_no_more_than_an_error([&] {
    if (text.starts_with("variant")) {
      gesso::registry::read_variant(file.write(text), "org.test.one");
    } else {
      gesso::registry::read_manifest(file.write(text));
    }
  });
  return 0;
}
