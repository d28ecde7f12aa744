// Files that appear whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace gesso::base {

/// A file under construction. It is written under a temporary name in the folder of `path` and
/// takes its real name at `commit`; readers see the old file or the new one, never a part. Without
/// `commit` the destructor removes the temporary file and leaves the old one as it was.
///
/// All functions throw Error: NotFound when the folder does not exist; Denied, with the path and
/// the system's text, when it cannot be written or the disk is full; Denied too when `path` is
/// something else than a regular file.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends; large files are written piece by piece.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  /// Brings the bytes to the disk and gives the file its name. Called once.
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

/// The whole of it in one call.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

/// Removes temporary files in `folder` whose process was killed before it could.
void remove_left_behind(const std::filesystem::path& folder);

}  // namespace gesso::base
