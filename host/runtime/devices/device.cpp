#include "runtime/devices/device.hpp"

#include <fmt/format.h>

#include <charconv>

#include "gesso/cpp/error.hpp"

namespace gesso::runtime {
namespace {

double mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

/// N of "sim:N"; "cuda" alone is the first one. -1: the name is another.
int index_of(const std::string& name, const std::string& family) {
  if (name == family) return 0;
  if (!name.starts_with(family + ":")) return -1;
  int index = -1;
  const char* begin = name.data() + family.size() + 1;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(begin, end, index);
  return error == std::errc() && stop == end && index >= 0 ? index : -1;
}

}  // namespace

std::shared_ptr<std::byte> Device::allocate(uint64_t bytes) {
  std::byte* memory = take(bytes);
  if (!memory) {
    throw Error(Status::OutOfMemory,
                fmt::format("device \"{}\" has no {:.1f} MiB left; {:.1f} MiB are in use", name_,
                            mib(bytes), mib(used_)));
  }
  const uint64_t used = used_ += bytes;
  uint64_t peak = peak_;
  while (used > peak && !peak_.compare_exchange_weak(peak, used)) {
  }
  return {memory, [this, bytes](std::byte* p) {
            used_ -= bytes;
            give(p, bytes);
          }};
}

void Device::write(std::byte* to, std::span<const std::byte> from) {
  copy_in(to, from);
  bytes_in_ += from.size();
}

void Device::read(const std::byte* from, std::span<std::byte> to) {
  copy_out(from, to);
  bytes_out_ += to.size();
}

bool is_nowhere(const std::string& device) { return device == "disk" || device == "meta"; }

Device& Devices::get(const std::string& name) {
  const auto found = devices_.find(name);
  if (found != devices_.end()) return *found->second;
  std::unique_ptr<Device> made;
  if (name == "cpu") {
    made = make_cpu_device();
  } else if (index_of(name, "sim") >= 0) {
    made = make_sim_device(name, sim_);
  } else if (const int index = index_of(name, "cuda"); index >= 0) {
    made = make_cuda_device(name, index);
  } else {
    throw Error(Status::InvalidArgument,
                fmt::format("there is no device \"{}\"; expected \"cpu\", \"cuda:0\", \"sim:0\", "
                            "\"disk\" or \"meta\"",
                            name));
  }
  return *devices_.emplace(name, std::move(made)).first->second;
}

}  // namespace gesso::runtime
