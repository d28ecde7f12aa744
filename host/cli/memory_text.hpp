// What a run's report says about memory, in a line.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace gesso::cli {

/// "memory: stream moved denoiser 34 units up to 8 times, 90.12 GiB"; "" when nothing was moved.
std::string moves_text(const nlohmann::json& memory);

}  // namespace gesso::cli
