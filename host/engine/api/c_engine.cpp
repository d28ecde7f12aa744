// The functions of gesso/engine/engine.h and register.h.
#include "engine/api/handles.hpp"
#include "gesso/engine/register.h"

using gesso::guard;
using gesso::api::give;
using gesso::api::given;

namespace {

gesso::api::EngineOptions read_options(const gesso_engine_config_t* from) {
  const auto config = gesso::api::read_struct(from, "gesso_engine_config_t");
  gesso::api::EngineOptions options;
  for (const std::string& path :
       gesso::api::read_texts(config.plugin_paths, config.n_plugin_paths, "plugin_paths")) {
    options.search.given.emplace_back(path);
  }
  options.search.use_environment = !(config.flags & GESSO_ENGINE_NO_ENVIRONMENT);
  options.search.use_default_paths = !(config.flags & GESSO_ENGINE_NO_DEFAULT_PATHS);
  options.search.trust.plugins =
      gesso::api::read_texts(config.trusted_plugins, config.n_trusted_plugins, "trusted_plugins");
  if (config.flags & GESSO_ENGINE_NO_THIRD_PARTY) options.search.trust.plugins = {"shipped"};
  options.search.trust.writable_files = config.flags & GESSO_ENGINE_WRITABLE_PLUGINS;
  options.search.isolation.ids = gesso::api::read_texts(
      config.isolated_plugins, config.n_isolated_plugins, "isolated_plugins");
  options.search.isolation.threads = config.threads;
  options.threads = config.threads;
  if (config.log) {
    options.log = [log = config.log, user = config.user](int32_t level, const std::string& text) {
      log(user, level, text.c_str());
    };
  }
  return options;
}

}  // namespace

const char* gesso_text_data(const gesso_text_t* text) { return text ? text->text.c_str() : ""; }

void gesso_text_release(gesso_text_t* text) { delete text; }

const char* gesso_version(uint32_t* api_major, uint32_t* api_minor, uint32_t* abi_major,
                          uint32_t* abi_minor) {
  if (api_major) *api_major = GESSO_API_MAJOR;
  if (api_minor) *api_minor = GESSO_API_MINOR;
  if (abi_major) *abi_major = GESSO_ABI_MAJOR;
  if (abi_minor) *abi_minor = GESSO_ABI_MINOR;
  return GESSO_VERSION;
}

gesso_status_t gesso_engine_create(const gesso_engine_config_t* config, gesso_engine_t** out,
                                   gesso_error_t* error) {
  return guard(error, [&] {
    given(out, "out") = nullptr;
    *out = gesso::api::make_engine(read_options(config), gesso::api::open_runtime_library);
  });
}

void gesso_engine_destroy(gesso_engine_t* engine) { delete engine; }

gesso_status_t gesso_engine_register(gesso_engine_t* engine, const char* manifest,
                                     gesso_plugin_entry_t entry, gesso_error_t* error) {
  return guard(error, [&] {
    const std::string text = gesso::api::read_text(manifest, "manifest");
    if (!entry) throw gesso::Error(gesso::Status::InvalidArgument, "entry is NULL");
    given(engine, "engine").engine->register_plugin(text, entry);
  });
}

gesso_status_t gesso_engine_ask(gesso_engine_t* engine, const char* question, const char* argument,
                                gesso_text_t** answer, gesso_error_t* error) {
  return guard(error, [&] {
    given(answer, "answer") = nullptr;
    const std::string asked = gesso::api::read_text(question, "question");
    const std::string about = argument ? gesso::api::read_text(argument, "argument") : "";
    *answer = give(given(engine, "engine").engine->ask(asked, about));
  });
}
