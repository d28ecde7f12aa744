// Checksums, as hubs publish them of files and manifests of libraries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace gesso::base {

/// What somebody says that a file's content hashes to.
struct Checksum {
  enum Kind { None, Sha256, GitBlob };  // GitBlob: SHA-1 over "blob <size>\0" and the content
  Kind kind = None;
  std::string hex;

  bool operator==(const Checksum&) const = default;
  std::string text() const;  // "sha256 1234..."
};

/// By the number of digits: 64 is SHA-256, 40 the hash of a git blob. Other texts: None.
Checksum checksum_of(const std::string& hex);

/// Takes a file's bytes in order.
class Hasher {
 public:
  Hasher(Checksum::Kind kind, uint64_t file_size);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  void add(std::span<const std::byte> bytes);
  /// Called once.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Of a whole file, read in pieces. `piece(bytes)` is called after each; it may throw.
/// @throws Error  Denied when the file cannot be read
std::string hash_file(const std::filesystem::path& path, Checksum::Kind kind,
                      const std::function<void(uint64_t bytes)>& piece = {});

}  // namespace gesso::base
