// Runs gesso-validate, the process in which a plugin is checked, and goes on where it ended.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace gesso::cli {

struct ValidationRequest {
  std::string plugin;
  std::vector<std::string> only, samples;
  double seconds = 60;  // for one check
};

/// Answers in order: {"check", "component", "status": "pass" | "fail" | "skip", "text", "rule",
/// "what", "advice"}. A check that ended the process, or went on too long, has failed.
/// @param told  hears each answer at once
/// @throws Error  when the process cannot be started, or cannot read a sample
nlohmann::json run_validation(const ValidationRequest& request,
                              const std::function<void(const nlohmann::json&)>& told);

/// Every check that there is.
nlohmann::json list_checks();

}  // namespace gesso::cli
