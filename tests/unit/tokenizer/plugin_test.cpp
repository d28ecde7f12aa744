// The plugins through their one exported function, as the host uses them.
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gesso/cpp/error.hpp"
#include "gesso/cpp/value.hpp"
#include "gesso/kind/tokenizer.h"
#include "gesso/plugin.h"

namespace {

// A component of a plugin file, created and, if a path is given, prepared.
struct Loaded {
  gesso_host_t host{};
  gesso::ErrorText error;
  gesso_component_t* component = nullptr;
  gesso_status_t status = GESSO_STATUS_OK;

  Loaded(const char* file, const char* id, const std::string& path) {
    host.struct_size = sizeof host;
    host.abi_minor = GESSO_ABI_MINOR;
    void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL);  // stays for the life of the process
    REQUIRE_MESSAGE(library, dlerror());
    const auto entry = reinterpret_cast<gesso_plugin_entry_t>(dlsym(library, GESSO_ENTRY_SYMBOL));
    REQUIRE((entry != nullptr));
    const gesso_plugin_t* plugin = nullptr;
    REQUIRE(entry(&host, &plugin, &error.error) == GESSO_STATUS_OK);
    REQUIRE(plugin->create(plugin, &host, id, &component, &error.error) == GESSO_STATUS_OK);

    gesso::ValueList values;
    if (!path.empty()) values.set_text("path", path);
    gesso_call_t call{};
    call.struct_size = sizeof call;
    call.error = &error.error;
    gesso_setup_t setup{sizeof setup, values.size(), values.data(), nullptr};
    status = component->prepare(component->self, &call, &setup);
  }
  ~Loaded() {
    if (component) component->destroy(component->self);
  }

  const gesso_tokenizer_t& tokenizer() const {
    return *static_cast<const gesso_tokenizer_t*>(
        component->get_interface(component->self, GESSO_TOKENIZER_ID));
  }
};

const std::string kModel = GESSO_TEST_DATA "/tokenizer/small.model";
constexpr const char* kSentencePiece = "org.gesso.sentencepiece.tokenizer";
constexpr const char* kQwen = "org.gesso.qwen_bpe.tokenizer";

}  // namespace

TEST_CASE("a text goes through the C interface and back") {
  Loaded plugin(SENTENCEPIECE_PLUGIN, kSentencePiece, kModel);
  REQUIRE_MESSAGE(plugin.status == GESSO_STATUS_OK, plugin.error.text());
  const gesso_tokenizer_t& table = plugin.tokenizer();
  void* self = plugin.component->self;

  const std::string text = "golden lantern";
  std::vector<int32_t> ids(2);
  uint64_t count = 0;
  CHECK(table.encode(self, text.data(), text.size(), ids.data(), ids.size(), &count,
                     &plugin.error.error) == GESSO_STATUS_OK);
  REQUIRE(count > 2);  // the full number, though only two were written
  ids.resize(count);
  CHECK(table.encode(self, text.data(), text.size(), ids.data(), ids.size(), &count,
                     &plugin.error.error) == GESSO_STATUS_OK);

  std::string back(100, '\0');
  uint64_t length = 0;
  CHECK(table.decode(self, ids.data(), ids.size(), back.data(), back.size(), &length,
                     &plugin.error.error) == GESSO_STATUS_OK);
  CHECK(back.substr(0, length) == text);
  int32_t id = -1;
  CHECK(table.token_id(self, "</s>", &id, &plugin.error.error) == GESSO_STATUS_OK);
  CHECK(id == 2);
  CHECK(table.token_id(self, "none", &id, &plugin.error.error) == GESSO_STATUS_NOT_FOUND);
  CHECK(table.vocab_size(self) > 100);
}

TEST_CASE("errors cross the boundary as status and text") {
  Loaded missing(QWEN_BPE_PLUGIN, kQwen, "");
  CHECK(missing.status == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(missing.error.text().find("\"path\" is missing") != std::string::npos);

  Loaded nowhere(QWEN_BPE_PLUGIN, kQwen, "/no/such/folder/tokenizer.json");
  CHECK(nowhere.status == GESSO_STATUS_NOT_FOUND);

  Loaded other(QWEN_BPE_PLUGIN, kQwen, kModel);
  CHECK(other.status == GESSO_STATUS_BAD_DATA);
  CHECK(other.error.text().find("is not JSON") != std::string::npos);
}

TEST_CASE("the description is what the manifest says") {
  const Loaded plugin(QWEN_BPE_PLUGIN, kQwen, "");
  CHECK(std::string(plugin.component->desc->id) == kQwen);
  CHECK(std::string(plugin.component->desc->kind) == "tokenizer");
  CHECK(std::string(plugin.component->desc->interfaces[0]) == GESSO_TOKENIZER_ID);
  CHECK(plugin.component->get_interface(plugin.component->self, "gesso.tokenizer/10") == nullptr);
}
