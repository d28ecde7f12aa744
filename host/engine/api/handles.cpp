#include "engine/api/handles.hpp"

#include <fmt/format.h>

namespace gesso::api {

using nlohmann::json;

namespace {

bool is_utf8(const std::string& text) {
  try {
    json(text).dump();
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

template <class Item>
json list(const Item* items, const gesso_value_t& value, const std::string& name) {
  if (!items && value.count > 0) {
    throw Error(Status::InvalidArgument, name + ": its list is NULL");
  }
  return std::vector<Item>(items, items + value.count);
}

json read_value(const gesso_value_t& value, const std::string& name) {
  switch (value.type) {
    case GESSO_VALUE_INT:
      return value.u.i;
    case GESSO_VALUE_REAL:
      return value.u.r;
    case GESSO_VALUE_TEXT:
      return read_text(value.u.t, name);
    case GESSO_VALUE_BOOL:
      return value.u.i != 0;
    case GESSO_VALUE_INTS:
      return list(value.u.is, value, name);
    case GESSO_VALUE_REALS:
      return list(value.u.rs, value, name);
    case GESSO_VALUE_TEXTS:
      return read_texts(value.u.ts, value.count, name);
    default:
      break;
  }
  throw Error(
      Status::InvalidArgument,
      fmt::format("{}: {} is no type of a value; expected one of GESSO_VALUE_*", name, value.type));
}

}  // namespace

std::string read_text(const char* text, const std::string& name) {
  std::string result = &given(text, name.c_str());
  if (!is_utf8(result)) throw Error(Status::InvalidArgument, name + " is not UTF-8");
  return result;
}

std::vector<std::string> read_texts(const char* const* texts, uint64_t count,
                                    const std::string& name) {
  if (count > 0) given(texts, name.c_str());
  std::vector<std::string> result;
  for (uint64_t i = 0; i < count; ++i) {
    result.push_back(read_text(texts[i], fmt::format("{}[{}]", name, i)));
  }
  return result;
}

json read_values(const gesso_value_t* values, uint64_t count) {
  if (count > 0) given(values, "values");
  json result = json::object();
  for (uint64_t i = 0; i < count; ++i) {
    const std::string key = read_text(values[i].key, fmt::format("values[{}].key", i));
    if (result.contains(key)) {
      throw Error(Status::InvalidArgument, fmt::format("the value \"{}\" is given twice", key));
    }
    result[key] = read_value(values[i], fmt::format("the value \"{}\"", key));
  }
  return result;
}

config::Images read_images(const gesso_image_input_t* images, uint64_t count) {
  if (count > 0) given(images, "images");
  config::Images result;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string key = read_text(images[i].key, fmt::format("images[{}].key", i));
    result[key] = given(images[i].image, fmt::format("images[{}].image", i).c_str()).picture;
  }
  return result;
}

}  // namespace gesso::api
