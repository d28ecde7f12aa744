// A folder with a made-up plugin and real, tiny weights, in which tests write pipeline files.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/pipeline.hpp"

namespace gesso::test {

/// A pipeline file without fault; what a test appends begins on line 10.
inline const std::string kWorking = R"(variant = "tiny"
[components.denoiser]
path = "denoiser.safetensors"
[components.codec]
path = "vae"
[components.text_encoder]
path = "text_encoder.safetensors"
[components.tokenizer]
path = "tokenizer.json"
)";

inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// The text of the error that `body` throws; "" when it throws none.
template <class Body>
std::string error_of(Body body) {
  try {
    body();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

class Workshop {
 public:
  Workshop() {
    namespace fs = std::filesystem;
    std::string name = (fs::temp_directory_path() / "gesso-config-XXXXXX").string();
    folder_ = fs::canonical(mkdtemp(name.data()));
    const fs::path source = GESSO_SOURCE_DIR;
    const fs::path fixtures = source / "tests/unit/config/fixtures";
    const fs::path models = source / "tests/golden/data/models";
    const fs::path plugin = folder_ / "plugins";
    fs::copy(fixtures, plugin);
    fs::copy_file(source / "plugins/common/z_image/weights.toml", plugin / "z_image.toml");
    fs::copy_file(source / "plugins/codec/flux_vae/weights.toml", plugin / "flux_vae.toml");
    fs::copy_file(source / "plugins/text_encoder/qwen3/weights.toml", plugin / "qwen3.toml");
    write("plugins/never_loaded.so", "");
    fs::copy(models / "vae", folder_ / "vae");
    fs::copy_file(models / "dit_small/diffusers.safetensors", folder_ / "denoiser.safetensors");
    fs::copy_file(models / "text_encoder/model.safetensors", folder_ / "text_encoder.safetensors");
    write("tokenizer.json", "{}");
  }
  ~Workshop() { std::filesystem::remove_all(folder_); }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  const std::filesystem::path& folder() const { return folder_; }

  std::filesystem::path write(const std::string& name, std::string_view text) const {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path;
  }

  std::shared_ptr<registry::Registry> registry() const {
    registry::SearchOptions options;
    options.given = {folder_ / "plugins"};
    options.use_environment = options.use_default_paths = false;
    return registry::Registry::scan(options);
  }

  /// `text` as the file "emoji.toml" of the folder.
  config::PipelinePlan load(const std::string& text,
                            const std::vector<std::string>& overrides = {}) const {
    return config::load_pipeline_text(registry(), text, "emoji.toml", folder_, overrides);
  }

  /// What is wrong with it; the folder is spelled FOLDER.
  std::string problem(const std::string& text,
                      const std::vector<std::string>& overrides = {}) const {
    return replaced(error_of([&] { load(text, overrides); }), folder_.string(), "FOLDER");
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace gesso::test
