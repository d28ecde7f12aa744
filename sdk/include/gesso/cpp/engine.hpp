// An application's C++ side of gesso/engine.h: handles that release themselves, failures as
// gesso::Error. Header only; link libgesso.
//
//   gesso::app::Engine engine;
//   auto pipeline = engine.load("emoji.toml", {"generate.seed=7"});
//   auto job = pipeline.generate();
//   while (auto picture = job.next()) picture.save("apple.png");
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../engine.h"
#include "error.hpp"
#include "value.hpp"

namespace gesso::app {

template <class T, void (*release)(T*)>
struct Releaser {
  void operator()(T* handle) const { release(handle); }
};
template <class T, void (*release)(T*)>
using Handle = std::unique_ptr<T, Releaser<T, release>>;

/// The answer of a function that hands out a text. @throws Error
template <class Call>
std::string take_text(Call&& call) {
  ErrorText error;
  gesso_text_t* text = nullptr;
  check(call(&text, &error.error), error);
  const Handle<gesso_text_t, gesso_text_release> owner(text);
  return gesso_text_data(text);
}

inline std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> list;
  for (const std::string& text : texts) list.push_back(text.c_str());
  return list;
}

/// A picture, or nothing. All functions but `operator bool` need one.
class Picture {
 public:
  Picture() = default;
  explicit Picture(gesso_image_t* image) : handle_(image) {}

  static Picture load(const std::string& path) {
    ErrorText error;
    gesso_image_t* image = nullptr;
    check(gesso_image_load(path.c_str(), &image, &error.error), error);
    return Picture(image);
  }
  static Picture sheet(const std::vector<Picture>& pictures) {
    std::vector<const gesso_image_t*> list;
    for (const Picture& picture : pictures) list.push_back(picture.get());
    ErrorText error;
    gesso_image_t* image = nullptr;
    check(gesso_image_sheet(list.data(), static_cast<uint32_t>(list.size()), &image, &error.error),
          error);
    return Picture(image);
  }

  explicit operator bool() const { return handle_ != nullptr; }
  const gesso_image_t* get() const { return handle_.get(); }
  void save(const std::string& path, uint32_t quality = 95) const {
    ErrorText error;
    check(gesso_image_save_quality(get(), path.c_str(), quality, &error.error), error);
  }
  /// A text entry, "" when there is none.
  std::string text(const std::string& key) const {
    const char* value = gesso_image_text(get(), key.c_str());
    return value ? value : "";
  }

 private:
  Handle<gesso_image_t, gesso_image_release> handle_;
};

/// Hears the events of a job, on the job's thread. What it throws cancels the job.
using EventHandler = std::function<void(const gesso_event_t&)>;

class Job {
 public:
  /// `start` calls the C function: (callbacks, job, error) -> status.
  template <class Start>
  Job(EventHandler on_event, Start&& start)
      : on_event_(std::make_unique<EventHandler>(std::move(on_event))) {
    gesso_job_callbacks_t callbacks{sizeof(gesso_job_callbacks_t), 0, hear, on_event_.get()};
    ErrorText error;
    gesso_job_t* job = nullptr;
    check(start(&callbacks, &job, &error.error), error);
    handle_.reset(job);
  }

  Picture next() {
    ErrorText error;
    gesso_image_t* image = nullptr;
    check(gesso_job_next(handle_.get(), &image, &error.error), error);
    return Picture(image);
  }
  /// Waits for the end; failure is told by `next` and `wait`. @return false: the time is over
  bool ended_within(uint64_t timeout_ms) {
    return gesso_job_wait(handle_.get(), timeout_ms, nullptr) != GESSO_STATUS_BAD_STATE;
  }
  /// @throws Error how the job ended, if not well
  void wait() {
    ErrorText error;
    check(gesso_job_wait(handle_.get(), 0, &error.error), error);
  }
  void cancel() { gesso_job_cancel(handle_.get()); }
  std::string describe() const {
    return take_text(
        [&](auto** text, auto* e) { return gesso_job_describe(handle_.get(), text, e); });
  }
  std::string report() const {
    return take_text(
        [&](auto** text, auto* e) { return gesso_job_report(handle_.get(), text, e); });
  }

 private:
  static void GESSO_CALL hear(void* user, gesso_job_t* job, const gesso_event_t* event) {
    const auto& handler = *static_cast<EventHandler*>(user);
    try {
      if (handler) handler(*event);
    } catch (...) {
      gesso_job_cancel(job);
    }
  }

  std::unique_ptr<EventHandler> on_event_;  // outlives the handle
  Handle<gesso_job_t, gesso_job_release> handle_;
};

class Pipeline {
 public:
  explicit Pipeline(gesso_pipeline_t* pipeline) : handle_(pipeline) {}

  /// Pictures by key, such as "input_image" or "edit_image.0".
  using Pictures = std::vector<std::pair<std::string, const Picture*>>;

  Job generate(const ValueList& values = {}, EventHandler on_event = {},
               const Pictures& pictures = {}) {
    const auto images = inputs(pictures);
    const gesso_request_t request{sizeof(gesso_request_t), values.size(), values.data(),
                                  images.data(), images.size()};
    return Job(std::move(on_event), [&](auto* callbacks, auto** job, auto* error) {
      return gesso_generate(handle_.get(), &request, callbacks, job, error);
    });
  }
  /// A LoRA of the pictures "image2lora_images.0", ..., written to `path`.
  Job image2lora(const std::string& path, const Pictures& pictures, EventHandler on_event = {}) {
    const auto images = inputs(pictures);
    const gesso_request_t request{sizeof(gesso_request_t), 0, nullptr, images.data(),
                                  images.size()};
    return Job(std::move(on_event), [&](auto* callbacks, auto** job, auto* error) {
      return gesso_image2lora(handle_.get(), &request, path.c_str(), callbacks, job, error);
    });
  }
  /// JSON; `limits` in GiB, 0: none. See gesso_plan.
  std::string plan(const std::vector<double>& limits, const ValueList& values = {}) {
    const gesso_request_t request{sizeof(gesso_request_t), values.size(), values.data(), nullptr,
                                  0};
    return take_text([&](auto** text, auto* e) {
      return gesso_plan(handle_.get(), &request, limits.data(),
                        static_cast<uint32_t>(limits.size()), text, e);
    });
  }
  void add_adapter(const std::string& path, const ValueList& values = {}) {
    ErrorText error;
    check(gesso_pipeline_add_adapter(handle_.get(), path.c_str(), values.data(), values.size(),
                                     &error.error),
          error);
  }
  void set_adapter_scale(const std::string& name, double scale) {
    ErrorText error;
    check(gesso_pipeline_set_adapter_scale(handle_.get(), name.c_str(), scale, &error.error),
          error);
  }
  void remove_adapter(const std::string& name) {
    ErrorText error;
    check(gesso_pipeline_remove_adapter(handle_.get(), name.c_str(), &error.error), error);
  }
  std::string describe() const {
    return take_text(
        [&](auto** text, auto* e) { return gesso_pipeline_describe(handle_.get(), text, e); });
  }

 private:
  static std::vector<gesso_image_input_t> inputs(const Pictures& pictures) {
    std::vector<gesso_image_input_t> list;
    for (const auto& [key, picture] : pictures) list.push_back({key.c_str(), picture->get()});
    return list;
  }
  Handle<gesso_pipeline_t, gesso_pipeline_release> handle_;
};

struct EngineSettings {
  std::vector<std::string> plugin_paths;
  std::vector<std::string> trusted_plugins, isolated_plugins;
  uint32_t flags = 0;    // GESSO_ENGINE_*
  uint32_t threads = 0;  // 0: the cores of the machine
  std::function<void(int32_t level, const char* text)> log;
};

class Engine {
 public:
  explicit Engine(EngineSettings settings = {})
      : log_(std::make_unique<decltype(settings.log)>(std::move(settings.log))) {
    const std::vector<const char*> paths = pointers(settings.plugin_paths);
    const std::vector<const char*> trusted = pointers(settings.trusted_plugins);
    const std::vector<const char*> isolated = pointers(settings.isolated_plugins);
    gesso_engine_config_t config = GESSO_ENGINE_CONFIG_INIT;
    config.flags = settings.flags;
    config.plugin_paths = paths.data();
    config.n_plugin_paths = static_cast<uint32_t>(paths.size());
    config.threads = settings.threads;
    config.trusted_plugins = trusted.data();
    config.n_trusted_plugins = static_cast<uint32_t>(trusted.size());
    config.isolated_plugins = isolated.data();
    config.n_isolated_plugins = static_cast<uint32_t>(isolated.size());
    config.user = log_.get();
    config.log = [](void* user, int32_t level, const char* text) {
      const auto& log = *static_cast<decltype(settings.log)*>(user);
      if (log) log(level, text);
    };
    ErrorText error;
    gesso_engine_t* engine = nullptr;
    check(gesso_engine_create(&config, &engine, &error.error), error);
    handle_.reset(engine);
  }

  /// JSON; the questions are those of gesso_engine_ask.
  std::string ask(const std::string& question, const std::string& argument = {}) {
    return take_text([&](auto** text, auto* e) {
      return gesso_engine_ask(handle_.get(), question.c_str(), argument.c_str(), text, e);
    });
  }
  Pipeline load(const std::string& path, const std::vector<std::string>& overrides = {}) {
    const std::vector<const char*> list = pointers(overrides);
    ErrorText error;
    gesso_pipeline_t* pipeline = nullptr;
    check(gesso_pipeline_load(handle_.get(), path.c_str(), list.data(),
                              static_cast<uint32_t>(list.size()), &pipeline, &error.error),
          error);
    return Pipeline(pipeline);
  }
  /// Relative paths in `text` start from `folder`.
  Pipeline load_text(const std::string& text, const std::string& name, const std::string& folder,
                     const std::vector<std::string>& overrides = {}) {
    const std::vector<const char*> list = pointers(overrides);
    ErrorText error;
    gesso_pipeline_t* pipeline = nullptr;
    check(gesso_pipeline_load_text(handle_.get(), text.c_str(), name.c_str(), folder.c_str(),
                                   list.data(), static_cast<uint32_t>(list.size()), &pipeline,
                                   &error.error),
          error);
    return Pipeline(pipeline);
  }
  /// Work without a pipeline; see gesso_engine_start.
  Job start(const std::string& kind, const ValueList& values = {}, EventHandler on_event = {}) {
    const gesso_request_t request{sizeof(gesso_request_t), values.size(), values.data(), nullptr,
                                  0};
    return Job(std::move(on_event), [&](auto* callbacks, auto** job, auto* error) {
      return gesso_engine_start(handle_.get(), kind.c_str(), &request, callbacks, job, error);
    });
  }

 private:
  std::unique_ptr<std::function<void(int32_t, const char*)>> log_;  // outlives the handle
  Handle<gesso_engine_t, gesso_engine_destroy> handle_;
};

}  // namespace gesso::app
