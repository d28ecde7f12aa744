// The functions of gesso/engine/job.h.
#include "engine/api/handles.hpp"

using gesso::Error;
using gesso::guard;
using gesso::Status;
using gesso::api::given;
using gesso::api::Job;
using gesso::api::JobEvent;

namespace {

/// A picture that somebody else owns, for the time of a callback.
gesso_image borrowed(const JobEvent& event) {
  if (event.picture) return {event.picture};
  return {gesso::api::Picture(gesso::api::Picture(), event.event.picture)};
}

Job::Sink make_sink(const gesso_job_callbacks_t* from, gesso_job_t* handle) {
  const auto callbacks = gesso::api::read_struct(from, "gesso_job_callbacks_t");
  if (!callbacks.event) return [](const JobEvent&) {};
  return [callbacks, handle](const JobEvent& from) {
    const gesso_image image = borrowed(from);
    gesso_event_t event{};
    event.struct_size = sizeof event;
    event.type = from.event.type;
    event.stage = from.event.stage.c_str();
    event.text = from.event.text.c_str();
    event.step = from.event.step;
    event.total = from.event.total;
    event.seconds_left = from.event.seconds_left;
    event.image = image.picture ? &image : nullptr;
    event.status = static_cast<gesso_status_t>(from.status);
    callbacks.event(callbacks.user, handle, &event);
  };
}

/// Starts a job behind a new handle. `start` gets the values, the pictures and a maker of sinks.
template <class Start>
gesso_job_t* start_job(const gesso_request_t* from, const gesso_job_callbacks_t* callbacks,
                       Start start) {
  const auto request = gesso::api::read_struct(from, "gesso_request_t");
  const nlohmann::json values = gesso::api::read_values(request.values, request.n_values);
  const auto images = gesso::api::read_images(request.images, request.n_images);
  auto handle = std::make_unique<gesso_job>();
  start(values, images, [&](const std::shared_ptr<Job>& job) {
    handle->job = job;
    return make_sink(callbacks, handle.get());
  });
  return handle.release();
}

std::shared_ptr<gesso::api::Engine> engine_of(gesso_pipeline_t* pipeline) {
  const auto engine = given(pipeline, "pipeline").engine.lock();
  if (engine) return engine;
  throw Error(Status::BadState, "the engine of this pipeline was destroyed; only release it");
}

}  // namespace

gesso_status_t gesso_generate(gesso_pipeline_t* pipeline, const gesso_request_t* request,
                              const gesso_job_callbacks_t* callbacks, gesso_job_t** out,
                              gesso_error_t* error) {
  return guard(error, [&] {
    given(out, "out") = nullptr;
    const auto engine = engine_of(pipeline);
    *out = start_job(request, callbacks, [&](const auto& values, const auto& images, auto sink) {
      engine->generate(*pipeline->pipeline, values, images, sink);
    });
  });
}

gesso_status_t gesso_plan(gesso_pipeline_t* pipeline, const gesso_request_t* from,
                          const double* limits, uint32_t n_limits, gesso_text_t** answer,
                          gesso_error_t* error) {
  return guard(error, [&] {
    given(answer, "answer") = nullptr;
    engine_of(pipeline);
    const auto request = gesso::api::read_struct(from, "gesso_request_t");
    const nlohmann::json values = gesso::api::read_values(request.values, request.n_values);
    const auto images = gesso::api::read_images(request.images, request.n_images);
    if (n_limits > 0) given(limits, "limits");
    *answer = gesso::api::give(pipeline->pipeline->plan(values, images, {limits, n_limits}));
  });
}

gesso_status_t gesso_image2lora(gesso_pipeline_t* pipeline, const gesso_request_t* request,
                                const char* path, const gesso_job_callbacks_t* callbacks,
                                gesso_job_t** out, gesso_error_t* error) {
  return guard(error, [&] {
    given(out, "out") = nullptr;
    const auto engine = engine_of(pipeline);
    const std::string file = gesso::api::read_text(path, "path");
    *out = start_job(request, callbacks, [&](const auto& values, const auto& images, auto sink) {
      engine->image2lora(*pipeline->pipeline, values, images, file, sink);
    });
  });
}

gesso_status_t gesso_engine_start(gesso_engine_t* engine, const char* kind,
                                  const gesso_request_t* request,
                                  const gesso_job_callbacks_t* callbacks, gesso_job_t** out,
                                  gesso_error_t* error) {
  return guard(error, [&] {
    given(out, "out") = nullptr;
    given(engine, "engine");
    const std::string name = gesso::api::read_text(kind, "kind");
    *out = start_job(request, callbacks, [&](const auto& values, const auto& images, auto sink) {
      if (!images.empty()) {
        throw Error(Status::InvalidArgument,
                    "a job of the kind \"" + name + "\" takes no pictures");
      }
      engine->engine->start(name, values, sink);
    });
  });
}

gesso_status_t gesso_job_next(gesso_job_t* job, gesso_image_t** image, gesso_error_t* error) {
  return guard(error, [&] {
    given(image, "image") = nullptr;
    if (auto picture = given(job, "job").job->next()) *image = new gesso_image{std::move(picture)};
  });
}

gesso_status_t gesso_job_wait(gesso_job_t* job, uint64_t timeout_ms, gesso_error_t* error) {
  return guard(error, [&] { given(job, "job").job->wait(timeout_ms); });
}

void gesso_job_cancel(gesso_job_t* job) {
  if (job) job->job->cancel();
}

gesso_status_t gesso_job_describe(gesso_job_t* job, gesso_text_t** answer, gesso_error_t* error) {
  return guard(error, [&] {
    given(answer, "answer") = nullptr;
    *answer = gesso::api::give(given(job, "job").job->request());
  });
}

gesso_status_t gesso_job_report(gesso_job_t* job, gesso_text_t** answer, gesso_error_t* error) {
  return guard(error, [&] {
    given(answer, "answer") = nullptr;
    *answer = gesso::api::give(given(job, "job").job->report());
  });
}

void gesso_job_release(gesso_job_t* job) {
  if (!job) return;
  job->job->stop();
  delete job;
}
