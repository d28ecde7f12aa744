#include "engine/models/model_ref.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "engine/models/store.hpp"
#include "gesso/cpp/error.hpp"
#include "temporary_folder.hpp"

using namespace gesso::models;
namespace fs = std::filesystem;

namespace {

/// An environment variable for the time of a test; no value: it is not set.
class Variable {
 public:
  Variable(const char* name, std::optional<std::string> value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~Variable() { set(before_); }

 private:
  void set(const std::optional<std::string>& value) const {
    if (value) ::setenv(name_, value->c_str(), 1);
    if (!value) ::unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> before_;
};

struct Places {
  TemporaryFolder folder;
  Variable home{"HOME", folder.path.string()};
  Variable hub{"HF_HUB_CACHE", std::nullopt}, hf{"HF_HOME", std::nullopt};
  Variable scope{"MODELSCOPE_CACHE", std::nullopt};
  Variable base{"DIFFSYNTH_MODEL_BASE_PATH", std::nullopt};
  Variable source{"DIFFSYNTH_DOWNLOAD_SOURCE", std::nullopt};
  Variable skip{"DIFFSYNTH_SKIP_DOWNLOAD", std::nullopt};

  fs::path make(const std::string& name) const {
    const fs::path path = folder.path / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "x";
    return path;
  }
  ModelRef model(const std::string& pattern) const {
    return {"org/model", pattern, (folder.path / "models").string(), ""};
  }
};

}  // namespace

TEST_CASE("a pattern is the reference's glob, a folder, or everything") {
  const Places places;
  const fs::path a = places.make("models/org/model/transformer/a.safetensors");
  const fs::path b = places.make("models/org/model/transformer/b.safetensors");
  places.make("models/org/model/transformer/deep/c.safetensors");
  places.make("models/org/model/.gesso/part.safetensors");
  CHECK(find_local(places.model("transformer/*.safetensors")) == std::vector{a, b});
  CHECK(find_local(places.model("transformer/a.safetensors")) == std::vector{a});
  CHECK(find_local(places.model("transformer/")) == std::vector{a.parent_path()});
  for (const char* all : {"", "./"}) {
    CHECK(find_local(places.model(all)) == std::vector{places.folder.path / "models/org/model"});
  }
  CHECK(find_local(places.model("*/*")) == std::vector{a, b});
  CHECK_THROWS_AS(find_local(places.model("*.safetensors")), gesso::Error);
}

TEST_CASE("DIFFSYNTH_MODEL_BASE_PATH goes before local_model_path") {
  const Places places;
  places.make("models/org/model/a.txt");
  const fs::path wanted = places.make("base/org/model/a.txt");
  const Variable base("DIFFSYNTH_MODEL_BASE_PATH", (places.folder.path / "base").string());
  CHECK(find_local(places.model("a.txt")) == std::vector{wanted});
  fs::remove(wanted);
  CHECK_THROWS_AS(find_local(places.model("a.txt")), gesso::Error);
}

TEST_CASE("the caches of both hubs' programs are searched after the folder of models") {
  const Places places;
  const fs::path hf = places.make(
      ".cache/huggingface/hub/models--org--model/snapshots/0123/transformer/a.safetensors");
  const auto model = places.model("transformer/*.safetensors");
  CHECK(find_local(model) == std::vector{hf});
  const fs::path old = places.make(".cache/modelscope/hub/org/model/transformer/a.safetensors");
  CHECK(find_local(model) == std::vector{old});
  const fs::path scope =
      places.make(".cache/modelscope/hub/models/org/model/transformer/a.safetensors");
  CHECK(find_local(model) == std::vector{scope});
  const fs::path own = places.make("models/org/model/transformer/a.safetensors");
  CHECK(find_local(model) == std::vector{own});
  const fs::path dotted = places.make(".cache/modelscope/hub/models/org/v2___1/a.txt");
  CHECK(find_local({"org/v2.1", "a.txt", "", ""}) == std::vector{dotted});
}

TEST_CASE("the hub is the pipeline's, else the environment's, else ModelScope") {
  const Places places;
  ModelRef model = places.model("");
  CHECK(source_of(model) == kModelScope);
  const Variable source("DIFFSYNTH_DOWNLOAD_SOURCE", "HuggingFace");
  CHECK(source_of(model) == kHuggingFace);
  model.download_source = kModelScope;
  CHECK(source_of(model) == kModelScope);
  const Variable wrong("DIFFSYNTH_DOWNLOAD_SOURCE", "hugging");
  model.download_source.clear();
  CHECK_THROWS_WITH(
      source_of(model),
      "DIFFSYNTH_DOWNLOAD_SOURCE: expected modelscope or huggingface, found \"hugging\"");
  CHECK(!skips_download());
  const Variable skip("DIFFSYNTH_SKIP_DOWNLOAD", "TRUE");
  CHECK(skips_download());
}

TEST_CASE("a download that has not ended is no model") {
  const Places places;
  const fs::path file = places.make("models/org/model/transformer/a.safetensors");
  fs::create_directories(places.folder.path / "models/org/model/.gesso");
  set_pending_files(places.folder.path / "models/org/model", {"transformer/b.safetensors"});
  CHECK_THROWS_AS(find_local(places.model("transformer/*.safetensors")), gesso::Error);
  CHECK_THROWS_AS(find_local(places.model("transformer/")), gesso::Error);
  CHECK(find_local(places.model("transformer/a.safetensors")) == std::vector{file});
  set_pending_files(places.folder.path / "models/org/model", {});
  CHECK(find_local(places.model("transformer/*.safetensors")) == std::vector{file});
}
