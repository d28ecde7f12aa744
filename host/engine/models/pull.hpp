// Fetching a model's files from its hub into the folder of models.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/models/model_ref.hpp"

namespace gesso::models {

struct PullOptions {
  std::string revision;  // branch, tag or commit; "": the hub's own default
  int connections = 8;
  double stall_seconds = 30;
  std::function<bool()> cancelled = [] { return false; };
  /// Bytes that are there, of all that the model needs; `file` is the one that is being fetched.
  std::function<void(uint64_t done, uint64_t total, const std::string& file)> progress =
      [](uint64_t, uint64_t, const std::string&) {};
  std::function<void(const std::string&)> info = [](const std::string&) {};
};

struct Pulled {
  std::filesystem::path folder;
  std::vector<std::string> fetched, present;  // files, by name
  std::vector<std::string> unchecked;         // of them: the hub gives no checksum
  uint64_t received_bytes = 0;                // over the network, lost ones too
};

/// Files that are there and whole are kept. One process at a time works on a model; another waits.
/// @throws Error  NotFound for a model or pattern that the hub does not have, or when it cannot be
///                reached; Denied for a missing token, a full disk, offline mode; BadData for
///                contents that are not what the hub lists; Cancelled. What was fetched is kept.
Pulled pull(const ModelRef& model, const PullOptions& options);

}  // namespace gesso::models
