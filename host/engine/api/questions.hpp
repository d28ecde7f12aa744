// The questions that an engine answers as JSON; docs/reference/questions.md lists them.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace gesso::api {

class Engine;

/// @throws Error  InvalidArgument for an unknown question or a missing argument, else what the
///                answering part throws
nlohmann::json answer(Engine& engine, std::string_view question, const std::string& argument);

}  // namespace gesso::api
