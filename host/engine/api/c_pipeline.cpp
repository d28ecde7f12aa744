// The functions of gesso/engine/pipeline.h.
#include "engine/api/handles.hpp"

using gesso::guard;
using gesso::api::given;
using gesso::api::read_text;
using gesso::api::read_texts;

namespace {

gesso_pipeline_t* load(gesso_engine_t* engine, const gesso::api::PipelineSource& source) {
  const auto& owner = given(engine, "engine").engine;
  return new gesso_pipeline{owner->load(source), owner};
}

}  // namespace

gesso_status_t gesso_pipeline_load(gesso_engine_t* engine, const char* path,
                                   const char* const* overrides, uint32_t n_overrides,
                                   gesso_pipeline_t** out, gesso_error_t* error) {
  return guard(error, [&] {
    given(out, "out") = nullptr;
    gesso::api::PipelineSource source;
    source.path = read_text(path, "path");
    if (source.path.empty()) {
      throw gesso::Error(gesso::Status::InvalidArgument, "path is empty; expected a pipeline file");
    }
    source.overrides = read_texts(overrides, n_overrides, "overrides");
    *out = load(engine, source);
  });
}

gesso_status_t gesso_pipeline_load_text(gesso_engine_t* engine, const char* text, const char* name,
                                        const char* folder, const char* const* overrides,
                                        uint32_t n_overrides, gesso_pipeline_t** out,
                                        gesso_error_t* error) {
  return guard(error, [&] {
    given(out, "out") = nullptr;
    gesso::api::PipelineSource source;
    source.text = read_text(text, "text");
    source.name = name ? read_text(name, "name") : "pipeline";
    source.folder = folder ? read_text(folder, "folder") : "";
    source.overrides = read_texts(overrides, n_overrides, "overrides");
    *out = load(engine, source);
  });
}

gesso_status_t gesso_pipeline_describe(gesso_pipeline_t* pipeline, gesso_text_t** answer,
                                       gesso_error_t* error) {
  return guard(error, [&] {
    given(answer, "answer") = nullptr;
    *answer = gesso::api::give(given(pipeline, "pipeline").pipeline->describe());
  });
}

gesso_status_t gesso_pipeline_add_adapter(gesso_pipeline_t* pipeline, const char* path,
                                          const gesso_value_t* values, uint32_t n_values,
                                          gesso_error_t* error) {
  return guard(error, [&] {
    nlohmann::json asked = gesso::api::read_values(values, n_values);
    asked["path"] = read_text(path, "path");
    given(pipeline, "pipeline").pipeline->add_adapter(std::move(asked));
  });
}

gesso_status_t gesso_pipeline_set_adapter_scale(gesso_pipeline_t* pipeline, const char* name,
                                                double scale, gesso_error_t* error) {
  return guard(error, [&] {
    given(pipeline, "pipeline").pipeline->set_adapter_scale(read_text(name, "name"), scale);
  });
}

gesso_status_t gesso_pipeline_remove_adapter(gesso_pipeline_t* pipeline, const char* name,
                                             gesso_error_t* error) {
  return guard(error, [&] {
    given(pipeline, "pipeline").pipeline->remove_adapter(read_text(name, "name"));
  });
}

void gesso_pipeline_release(gesso_pipeline_t* pipeline) {
  if (pipeline) pipeline->pipeline->wait_until_idle();
  delete pipeline;
}
