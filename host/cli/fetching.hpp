// Jobs that fetch models, and what is told of them.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/progress.hpp"
#include "gesso/cpp/engine.hpp"

namespace gesso::cli {

/// Waits as `wait_minding_interrupts`; whatever ends the job early is a run that failed: the
/// request was accepted. @throws Exit
void wait_or_fail(app::Job& job);

/// "fetched 3 files, 11.5 GiB" on stderr, and which of them could not be checked.
void tell_fetched(const nlohmann::json& report);

/// Fetches what a pipeline file or recipe needs and this machine lacks, with progress.
void fetch_missing(app::Engine& engine, const std::string& file,
                   const std::vector<std::string>& overrides, ProgressStyle style);

}  // namespace gesso::cli
