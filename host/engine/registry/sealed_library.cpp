#include "engine/registry/sealed_library.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "engine/base/checksum.hpp"
#include "gesso/cpp/error.hpp"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // Linux 6.3; older ones refuse flags that they do not know
#endif

namespace gesso::registry {
namespace {

int memory_file(const std::string& name) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int file = ::memfd_create(name.c_str(), flags | MFD_EXEC);
  return file >= 0 || errno != EINVAL ? file : ::memfd_create(name.c_str(), flags);
}

void write_all(int file, const std::byte* bytes, size_t size) {
  while (size > 0) {
    const ssize_t count = ::write(file, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      throw Error(Status::OutOfMemory,
                  fmt::format("no memory for a copy of the library: {}", std::strerror(errno)));
    bytes += count;
    size -= static_cast<size_t>(count);
  }
}

/// Copies and hashes in one pass.
std::string copy(const std::filesystem::path& from, int to) {
  const int file = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    throw Error(Status::Denied, fmt::format("cannot be read: {}", std::strerror(errno)));
  const struct Closer {
    int file;
    ~Closer() { ::close(file); }
  } closer{file};
  base::Hasher hasher(base::Checksum::Sha256, 0);
  std::vector<std::byte> buffer(size_t{1} << 20);
  for (;;) {
    const ssize_t count = ::read(file, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      throw Error(Status::Denied, fmt::format("cannot be read: {}", std::strerror(errno)));
    if (count == 0) return hasher.hex();
    hasher.add({buffer.data(), static_cast<size_t>(count)});
    write_all(to, buffer.data(), static_cast<size_t>(count));
  }
}

}  // namespace

SealedLibrary::SealedLibrary(const std::filesystem::path& file, const std::string& sha256)
    : descriptor_(memory_file(file.filename().string())) {
  if (descriptor_ < 0)
    throw Error(Status::OutOfMemory,
                fmt::format("no memory for a copy of the library: {}", std::strerror(errno)));
  try {
    const std::string found = copy(file, descriptor_);
    if (found != sha256)
      throw Error(Status::Denied,
                  fmt::format("its SHA-256 is {}, expected {}; it was changed or built anew since "
                              "its manifest was signed. If that was you: `gesso plugins sign`",
                              found, sha256));
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    if (::fcntl(descriptor_, F_ADD_SEALS, seals) != 0)
      throw Error(Status::Internal,
                  fmt::format("the copy cannot be sealed: {}", std::strerror(errno)));
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

SealedLibrary::~SealedLibrary() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::filesystem::path SealedLibrary::path() const {
  return fmt::format("/proc/self/fd/{}", descriptor_);
}

}  // namespace gesso::registry
