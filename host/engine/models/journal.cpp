#include "engine/models/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "gesso/cpp/error.hpp"

namespace gesso::models {
namespace {

constexpr off_t kNumbers = 512;  // where the numbers begin; before them the identity

[[noreturn]] void fail(const std::filesystem::path& path, const char* action) {
  throw Error(Status::Denied, fmt::format("{}: cannot {}: {}", path.string(), action,
                                          std::generic_category().message(errno)));
}

}  // namespace

Journal::Journal(std::filesystem::path path, std::string identity, uint64_t size,
                 uint64_t unit_bytes)
    : path_(std::move(path)),
      identity_(fmt::format("gesso journal 1, units of {}, {}\n", unit_bytes, identity)),
      size_(size),
      unit_bytes_(unit_bytes),
      done_((size + unit_bytes - 1) / unit_bytes) {
  identity_.resize(kNumbers, ' ');
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) fail(path_, "be opened");
  std::string found(kNumbers, '\0');
  std::vector<uint64_t> kept(done_.size());
  const size_t bytes = kept.size() * sizeof(uint64_t);
  bool plausible = ::pread(file_, found.data(), kNumbers, 0) == kNumbers && found == identity_ &&
                   ::pread(file_, kept.data(), bytes, kNumbers) == static_cast<ssize_t>(bytes);
  for (size_t unit = 0; plausible && unit < units(); ++unit) {
    plausible = kept[unit] <= length(unit);
    done_[unit] = kept[unit];
  }
  if (!plausible) clear();
}

Journal::~Journal() { ::close(file_); }

uint64_t Journal::length(size_t unit) const { return std::min(unit_bytes_, size_ - start(unit)); }

uint64_t Journal::total_done() const {
  uint64_t total = 0;
  for (const auto& done : done_) total += done;
  return total;
}

void Journal::record(size_t unit, uint64_t done) {
  done_[unit] = done;
  const auto at = kNumbers + static_cast<off_t>(unit * sizeof done);
  if (::pwrite(file_, &done, sizeof done, at) != sizeof done) fail(path_, "write");
}

void Journal::clear() {
  for (auto& done : done_) done = 0;
  const std::vector<uint64_t> zeros(done_.size());
  const size_t bytes = zeros.size() * sizeof(uint64_t);
  // The numbers first: with an old identity before them they are not believed.
  if (::ftruncate(file_, 0) != 0 ||
      ::pwrite(file_, zeros.data(), bytes, kNumbers) != static_cast<ssize_t>(bytes) ||
      ::pwrite(file_, identity_.data(), kNumbers, 0) != kNumbers) {
    fail(path_, "write");
  }
}

}  // namespace gesso::models
