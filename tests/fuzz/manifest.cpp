// Manifests of plugins and files of variants: what the registry reads of every folder it searches.
#include "engine/registry/manifest.hpp"
#include "engine/registry/variant.hpp"
#include "input.hpp"

namespace {

/// The files that a manifest may name.
gesso::fuzz::InputFile folder_of_a_plugin() {
  gesso::fuzz::InputFile file("one.gesso.toml");
  const std::filesystem::path source = GESSO_SOURCE_DIR;
  std::ofstream(file.folder() / "one.so");
  std::filesystem::copy_file(source / "plugins/common/z_image/weights.toml",
                             file.folder() / "weights.toml");
  std::filesystem::copy_file(source / "tests/unit/config/fixtures/tiny.variant.toml",
                             file.folder() / "one.variant.toml");
  return file;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const gesso::fuzz::InputFile file = folder_of_a_plugin();
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
