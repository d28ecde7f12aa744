// A file mapped read-only into memory: bytes without a copy, loaded page by page when touched.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace gesso::base {

/// Keep the shared pointer as long as any of its bytes are used. The file must not shrink meanwhile
/// (the system would answer a read beyond its end with SIGBUS).
class MappedFile {
 public:
  /// Maps the whole file. An empty file gives an empty span.
  /// @throws Error  NotFound when nothing is there, InvalidArgument for a folder or a device,
  /// Denied
  ///                when it may not be read, OutOfMemory when the address space is used up
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, std::span<const std::byte> bytes)
      : path_(std::move(path)), bytes_(bytes) {}

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace gesso::base
