#include "engine/base/file_region.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "gesso/cpp/error.hpp"

namespace gesso::base {
namespace {

uint64_t address_of(std::span<const std::byte> bytes) {
  return reinterpret_cast<uintptr_t>(bytes.data());
}

/// A line of /proc/self/maps: "begin-end mode offset major:minor inode   path".
struct Mapping {
  uint64_t begin = 0, end = 0, offset = 0, inode = 0;
  unsigned device_major = 0, device_minor = 0;
  std::string path;
};

bool read_mapping(const std::string& line, Mapping& mapping) {
  std::istringstream words(line);
  std::string mode;
  char dash = 0, colon = 0;
  words >> std::hex >> mapping.begin >> dash >> mapping.end >> mode >> mapping.offset >>
      mapping.device_major >> colon >> mapping.device_minor >> std::dec >> mapping.inode >> std::ws;
  std::getline(words, mapping.path);
  return mapping.inode != 0;
}

Mapping mapping_at(uint64_t address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Mapping mapping;
    const bool of_file = read_mapping(line, mapping);
    if (of_file && mapping.begin <= address && address < mapping.end) return mapping;
  }
  return {};
}

}  // namespace

std::shared_ptr<const FileRegion> FileRegion::of(std::span<const std::byte> bytes) {
  const Mapping mapping = mapping_at(address_of(bytes));
  if (mapping.inode == 0) return nullptr;
  const std::shared_ptr<FileRegion> region(new FileRegion());
  region->path_ = mapping.path;
  region->begin_ = mapping.begin;
  region->end_ = mapping.end;
  region->offset_ = mapping.offset;
  region->descriptor_ = ::open(mapping.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (region->descriptor_ < 0) {
    throw Error(errno == ENOENT ? Status::NotFound : Status::Denied,
                fmt::format("{}: cannot be opened again: {}", mapping.path, std::strerror(errno)));
  }
  struct stat info;
  const bool same = ::fstat(region->descriptor_, &info) == 0 && info.st_ino == mapping.inode &&
                    major(info.st_dev) == mapping.device_major &&
                    minor(info.st_dev) == mapping.device_minor;
  if (!same) {
    throw Error(
        Status::BadData,
        fmt::format("{}: another file has this name now; load the pipeline again", mapping.path));
  }
  region->opened_ = region->stamp();
  return region;
}

FileRegion::~FileRegion() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FileRegion::Stamp FileRegion::stamp() const {
  struct stat info;
  if (::fstat(descriptor_, &info) != 0) {
    throw Error(Status::Denied,
                fmt::format("{}: cannot be looked at: {}", path_.string(), std::strerror(errno)));
  }
  return {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
}

bool FileRegion::contains(std::span<const std::byte> bytes) const {
  const uint64_t address = address_of(bytes);
  return begin_ <= address && address + bytes.size() <= end_;
}

void FileRegion::read(std::span<const std::byte> bytes, std::byte* out) const {
  auto offset = static_cast<off_t>(offset_ + (address_of(bytes) - begin_));
  for (size_t left = bytes.size(); left > 0;) {
    const ssize_t got = ::pread(descriptor_, out, left, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw Error(Status::Denied,
                  fmt::format("{}: cannot be read any more: {}; was its disk removed?",
                              path_.string(), std::strerror(errno)));
    }
    if (got == 0) {
      throw Error(Status::BadData,
                  fmt::format("{}: expected {} bytes, found {}; the file became shorter while it "
                              "was in use",
                              path_.string(), opened_.size, offset));
    }
    out += got;
    offset += got;
    left -= static_cast<size_t>(got);
  }
  check_unchanged();
}

void FileRegion::check_unchanged() const {
  const Stamp now = stamp();
  if (now == opened_) return;
  throw Error(Status::BadData,
              fmt::format("{}: was changed while it was in use ({} bytes when it was opened, {} "
                          "now); load the pipeline again",
                          path_.string(), opened_.size, now.size));
}

void drop_pages(std::span<const std::byte> bytes) {
  static const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t begin = (address_of(bytes) + page - 1) / page * page;
  const uint64_t end = (address_of(bytes) + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace gesso::base
