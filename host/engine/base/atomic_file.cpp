#include "engine/base/atomic_file.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "gesso/cpp/error.hpp"

namespace gesso::base {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const char* action, int error) {
  const Status status = error == ENOENT || error == ENOTDIR ? Status::NotFound : Status::Denied;
  const char* hint = error == ENOSPC || error == EDQUOT ? "; free some space and run again" : "";
  throw Error(status, fmt::format("{}: cannot {}: {}{}", path.string(), action,
                                  std::generic_category().message(error), hint));
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// Where the file really lies, so that a link stays a link; refuses what must not be replaced.
fs::path real_place(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return path;
  if (!fs::is_regular_file(status))
    throw Error(Status::Denied,
                fmt::format("{}: is not a regular file; give the name of a file", path.string()));
  return fs::is_symlink(path) ? fs::canonical(path) : path;
}

// Unique among processes by the process id, within a process by the counter.
fs::path temporary_name(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  return folder_of(path) / fmt::format(".gesso-{}-{}.tmp", ::getpid(), counter++);
}

// A rename is on the disk only when its folder is; some file systems cannot sync a folder.
void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

AtomicFile::AtomicFile(fs::path path) : path_(real_place(path)), temporary_(temporary_name(path_)) {
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ >= 0) return;
  const int error = errno;
  fail(path_, "create a file in its folder", error);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_, "write", errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail(path_, "bring to the disk", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(path_, "replace", errno);
  ::close(descriptor_);
  descriptor_ = -1;
  sync_folder(folder_of(path_));
}

void write_file(const fs::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const fs::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

void remove_left_behind(const fs::path& folder) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    int process = 0;
    unsigned number = 0;
    const std::string name = entry.path().filename().string();
    if (std::sscanf(name.c_str(), ".gesso-%d-%u.tmp", &process, &number) != 2) continue;
    if (!name.ends_with(".tmp") || ::kill(process, 0) == 0 || errno != ESRCH) continue;
    fs::remove(entry.path(), none);
  }
}

}  // namespace gesso::base
