#include "engine/base/mapped_file.hpp"

#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace gesso::base {
namespace {

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

[[noreturn]] void fail(const std::filesystem::path& path, int error) {
  Status status = Status::BadData;
  if (error == ENOENT || error == ENOTDIR) status = Status::NotFound;
  if (error == EACCES || error == EPERM) status = Status::Denied;
  if (error == ENOMEM) status = Status::OutOfMemory;
  throw Error(status, fmt::format("{}: cannot be opened: {}", path.string(), std::strerror(error)));
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.value < 0) fail(path, errno);
  struct stat info;
  if (::fstat(file.value, &info) != 0) fail(path, errno);
  if (!S_ISREG(info.st_mode)) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: expected a file, found {}", path.string(),
                            S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe"));
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile(path, {}));
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (data == MAP_FAILED) fail(path, errno);
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, {static_cast<const std::byte*>(data), size}));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace gesso::base
