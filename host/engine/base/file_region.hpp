// Mapped bytes, read again from their file by system calls: what has gone wrong with the file is
// then an error, where touching the mapping would be a signal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace gesso::base {

/// One mapping of a file, with the file opened once more. Any thread.
class FileRegion {
 public:
  /// The mapping that `bytes` begin in; null when they are no file's.
  /// @throws Error  NotFound or Denied when the file cannot be opened again, BadData when another
  ///                one has its name now
  static std::shared_ptr<const FileRegion> of(std::span<const std::byte> bytes);
  ~FileRegion();
  FileRegion(const FileRegion&) = delete;
  FileRegion& operator=(const FileRegion&) = delete;

  bool contains(std::span<const std::byte> bytes) const;
  const std::filesystem::path& path() const { return path_; }
  /// The file, opened for reading; this keeps it.
  int descriptor() const { return descriptor_; }
  /// Where bytes of the mapping are in the file.
  uint64_t place_of(std::span<const std::byte> bytes) const {
    return offset_ + (reinterpret_cast<uintptr_t>(bytes.data()) - begin_);
  }

  /// @throws Error  BadData when the file ends early or was changed since it was opened here;
  /// Denied
  ///                with the system's text when it cannot be read
  void read(std::span<const std::byte> bytes, std::byte* out) const;
  /// @throws Error  BadData when the file was changed since it was opened here
  void check_unchanged() const;

 private:
  struct Stamp {
    int64_t size, seconds, nanoseconds;
    bool operator==(const Stamp&) const = default;
  };
  FileRegion() = default;
  Stamp stamp() const;

  std::filesystem::path path_;
  int descriptor_ = -1;
  uint64_t begin_ = 0, end_ = 0, offset_ = 0;  // addresses; where the mapping begins in the file
  Stamp opened_{};
};

/// Gives the memory of mapped pages back; they are read again when they are touched. Pages that
/// `bytes` fill in part stay.
void drop_pages(std::span<const std::byte> bytes);

}  // namespace gesso::base
