// One file from a hub: by several connections at once, taken up where a killed process left it,
// checked, and put under its name as a whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/models/hub.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::models {

/// The content is not what the hub lists, though it came as a whole: bytes were spoilt, or the list
/// is wrong. Nothing of it is kept.
class SpoiltContent : public Error {
 public:
  using Error::Error;
};

struct FetchRequest {
  std::string url;
  RemoteFile file;
  std::filesystem::path target;   // its folder exists
  std::filesystem::path scratch;  // a folder on the same file system, for what is half done
  Access access;
  int connections = 8;
  std::function<bool()> cancelled;
  std::function<void(int64_t bytes)> progress;  // any thread; below 0: bytes that did not count
};

/// What a server that cannot serve ranges sends is taken as a whole, by one connection.
/// @throws Error  SpoiltContent; BadData for a file of another size than the hub lists; NotFound or
/// Denied for what the server says, also
///                after `kAttempts` without progress: what was fetched is kept for the next time;
///                Denied when the disk is full; Cancelled
/// @return        bytes that came over the network
uint64_t fetch(const Hub& hub, const FetchRequest& request);

/// Bytes of the file that an earlier call left on the disk.
uint64_t bytes_kept(const FetchRequest& request);

}  // namespace gesso::models
