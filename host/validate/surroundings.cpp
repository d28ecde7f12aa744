#include "validate/surroundings.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "engine/registry/fp_control.hpp"

extern char** environ;

/// Of a sanitizer's own heap, which mallinfo knows nothing of; null without one.
extern "C" __attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes();
/// The address sanitizer's and the thread sanitizer's; null without them.
extern "C" __attribute__((weak)) void __asan_init();
extern "C" __attribute__((weak)) void __tsan_init();

namespace gesso::validate {

Surroundings Surroundings::now() {
  Surroundings s;
  const registry::FpControl control = registry::FpControl::read();
  s.floating_point_ = fmt::format("{:#x} {:#x}", control.vector, control.x87);
  s.locale_ = std::setlocale(LC_ALL, nullptr);
  std::error_code ignored;
  s.folder_ = std::filesystem::current_path(ignored).string();
  for (char** variable = environ; *variable; ++variable)
    s.environment_ += *variable + std::string("\n");
  for (const int signal : {SIGINT, SIGTERM, SIGSEGV, SIGABRT, SIGFPE, SIGPIPE, SIGCHLD, SIGUSR1}) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    s.signals_ +=
        fmt::format("{} ", reinterpret_cast<uintptr_t>(reinterpret_cast<void*>(action.sa_handler)));
  }
  const mode_t mask = umask(0);
  umask(mask);
  s.mask_ = fmt::format("{:o}", mask);
  return s;
}

std::string Surroundings::difference(const Surroundings& later) const {
  std::string text;
  const auto tell = [&](const char* what, const std::string& before, const std::string& after,
                        bool show) {
    if (before == after) return;
    if (!text.empty()) text += "; ";
    text += show ? fmt::format("{}: {} became {}", what, before, after)
                 : fmt::format("{} changed", what);
  };
  tell("floating-point control", floating_point_, later.floating_point_, true);
  tell("locale", locale_, later.locale_, true);
  tell("working folder", folder_, later.folder_, true);
  tell("environment", environment_, later.environment_, false);
  tell("signal handlers", signals_, later.signals_, false);
  tell("mask of file permissions", mask_, later.mask_, true);
  return text;
}

uint64_t heap_bytes() {
  if (__sanitizer_get_current_allocated_bytes) return __sanitizer_get_current_allocated_bytes();
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

uint64_t bytes_kept_of_load() { return __asan_init ? 1024 : 64; }

size_t mapping_count() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    // What has no name may be a shadow, which the thread sanitizer keeps of each library.
    if (!__tsan_init || line.find('/') != std::string::npos) ++count;
  }
  return count;
}

}  // namespace gesso::validate
