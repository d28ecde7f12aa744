// Which parts of a file have arrived. Written after the data, so that a process that is killed at
// any moment loses nothing that the journal claims.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace gesso::models {

/// A file is fetched in units of a fixed size; of each, the bytes from its start that are there.
/// One thread per unit may call `record`, any `done`.
class Journal {
 public:
  /// Takes up what another process left, if it was about the same content; else starts anew.
  /// @param identity  of the content: size and checksum, as a text without line breaks
  /// @throws Error    Denied when it cannot be written
  Journal(std::filesystem::path path, std::string identity, uint64_t size, uint64_t unit_bytes);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  size_t units() const { return done_.size(); }
  uint64_t start(size_t unit) const { return unit * unit_bytes_; }
  uint64_t length(size_t unit) const;
  uint64_t done(size_t unit) const { return done_[unit]; }
  uint64_t total_done() const;
  void record(size_t unit, uint64_t done);
  /// Nothing is there.
  void clear();

 private:
  std::filesystem::path path_;
  std::string identity_;
  uint64_t size_, unit_bytes_;
  std::vector<std::atomic<uint64_t>> done_;
  int file_ = -1;
};

}  // namespace gesso::models
