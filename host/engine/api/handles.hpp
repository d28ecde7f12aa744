// What the opaque handles of the C API hold, and how its functions read what they are given.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "engine/api/engine.hpp"
#include "gesso/engine.h"

struct gesso_text {
  std::string text;
};

struct gesso_engine {
  std::shared_ptr<gesso::api::Engine> engine;
};

struct gesso_pipeline {
  std::shared_ptr<gesso::api::Pipeline> pipeline;
  std::weak_ptr<gesso::api::Engine> engine;  // gone: the handle is a husk
};

struct gesso_job {
  std::shared_ptr<gesso::api::Job> job;
};

struct gesso_image {
  gesso::api::Picture picture;
};

namespace gesso::api {

/// For tests: an engine whose runtime is not the library's.
inline gesso_engine_t* make_engine(EngineOptions options, RuntimeFactory runtime) {
  return new gesso_engine{std::make_shared<Engine>(std::move(options), std::move(runtime))};
}

/// @throws Error InvalidArgument naming what is NULL
template <class T>
T& given(T* pointer, const char* name) {
  if (!pointer) throw Error(Status::InvalidArgument, std::string(name) + " is NULL");
  return *pointer;
}

/// A struct as its writer filled it; what the writer did not know is 0. NULL gives only zeros.
/// @throws Error InvalidArgument for a size that no release ever had
template <class T>
T read_struct(const T* from, const char* name) {
  T result{};
  if (!from) return result;
  constexpr uint32_t kSmallest = 2 * sizeof(uint32_t);
  if (from->struct_size < kSmallest) {
    throw Error(Status::InvalidArgument,
                std::string(name) + ".struct_size is " + std::to_string(from->struct_size) +
                    ", expected sizeof(" + name + "); was the struct initialised?");
  }
  std::memcpy(&result, from, std::min<size_t>(from->struct_size, sizeof(T)));
  return result;
}

/// @throws Error InvalidArgument when `text` is NULL or not UTF-8
std::string read_text(const char* text, const std::string& name);
std::vector<std::string> read_texts(const char* const* texts, uint64_t count,
                                    const std::string& name);
/// Parameters by key. @throws Error InvalidArgument naming the value and what is wrong with it
nlohmann::json read_values(const gesso_value_t* values, uint64_t count);
config::Images read_images(const gesso_image_input_t* images, uint64_t count);

/// Hands `text` to the caller.
inline gesso_text_t* give(std::string text) { return new gesso_text{std::move(text)}; }
inline gesso_text_t* give(const nlohmann::json& answer) { return give(answer.dump(2)); }

}  // namespace gesso::api
