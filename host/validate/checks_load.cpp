// Loading, the entry, and unloading.
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>

#include "validate/context.hpp"
#include "validate/elf_file.hpp"
#include "validate/surroundings.hpp"

namespace gesso::validate {
namespace {

constexpr double kLongestLoad = 0.5, kLongestLoadWithTorch = 30;  // seconds of processor time

void opens(Context& c) {
  try {
    read_elf(c.target.library);
  } catch (const std::exception&) {
    skip("it is no library (see file.is_library)");
  }
  expect(c.target.handle != nullptr, "the system cannot load it: {}", c.target.load_error);
}

void is_fast(Context& c) {
  const bool needs_torch = c.target.manifest && c.target.manifest->plugin.runtime != "none";
  const double limit = needs_torch ? kLongestLoadWithTorch : kLongestLoad;
  expect(c.target.load_seconds < limit, "loading it took {:.2f} s of processor time, at most {} s",
         c.target.load_seconds, limit);
}

void loading_leaves(Context& c) {
  expect(c.target.load_difference.empty(), "loading it changed the process: {}",
         c.target.load_difference);
}

void has_entry(Context& c) {
  expect(find_entry(c.target) != nullptr, "it does not export {}", GESSO_ENTRY_SYMBOL);
}

void entry_succeeds(Context& c) {
  if (!find_entry(c.target)) skip("it has no entry");
  expect(c.target.entry_status == GESSO_STATUS_OK, "the entry failed with status {}: {}",
         c.target.entry_status, c.target.entry_text);
  expect(c.target.table != nullptr, "the entry succeeded, but gave no table");
}

void entry_leaves(Context& c) {
  if (!find_entry(c.target)) skip("it has no entry");
  expect(c.target.entry_difference.empty(), "the entry changed the process: {}",
         c.target.entry_difference);
}

void entry_twice(Context& c) {
  const gesso_host_t host = entry_host();
  const gesso_plugin_t* again = nullptr;
  const gesso_status_t status = find_entry(c.target)(&host, &again, nullptr);
  expect(status == GESSO_STATUS_OK && again == c.target.table,
         "the second call gave status {} and {} table", status, again ? "another" : "no");
}

/// Minors only add: a plugin of today loads in every later host of its major.
void newer_host(Context& c) {
  const gesso_host_t newer = entry_host(GESSO_ABI_MINOR + 7), today = entry_host();
  const gesso_plugin_t* table = nullptr;
  const gesso_status_t status = find_entry(c.target)(&newer, &table, nullptr);
  find_entry(c.target)(&today, &table, nullptr);
  expect(status == GESSO_STATUS_OK, "a host of minor {} got status {}", newer.abi_minor, status);
}

void longer_host(Context& c) {
  struct Longer {
    gesso_host_t host;
    unsigned char tail[256];
  };
  static Longer longer{entry_host(), {}};
  std::memset(longer.tail, 0xA5, sizeof longer.tail);
  longer.host.struct_size = sizeof longer;
  const gesso_plugin_t* table = nullptr;
  const gesso_status_t status = find_entry(c.target)(&longer.host, &table, nullptr);
  expect(status == GESSO_STATUS_OK, "a host with a longer table got status {}", status);
}

/// A copy in memory, which the system takes for another library: the plugin itself stays mapped.
class Copy {
 public:
  explicit Copy(const std::filesystem::path& library) : fd_(memfd_create("plugin", MFD_CLOEXEC)) {
    std::ofstream(path(), std::ios::binary) << std::ifstream(library, std::ios::binary).rdbuf();
  }
  ~Copy() { close(fd_); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  std::string path() const { return fmt::format("/proc/self/fd/{}", fd_); }

 private:
  int fd_;
};

/// Loads, takes the table, shuts down and unloads. @throws Failure  when it does not load again
void load_once(const Copy& copy) {
  void* handle = dlopen(copy.path().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) fail("it cannot be loaded again: {}", dlerror());
  const auto entry = reinterpret_cast<gesso_plugin_entry_t>(dlsym(handle, GESSO_ENTRY_SYMBOL));
  const gesso_host_t host = entry_host();
  const gesso_plugin_t* table = nullptr;
  const bool is_there = entry && entry(&host, &table, nullptr) == GESSO_STATUS_OK && table;
  if (is_there && GESSO_HAS(gesso_plugin_t, table, shutdown)) table->shutdown(table);
  dlclose(handle);
}

void cycles(Context& c) {
  using Clock = std::chrono::steady_clock;
  constexpr int kLoads = 1000, kFirstLoads = 20;
  constexpr std::chrono::milliseconds kLongest{100};
  const Copy copy(c.target.library);
  for (int i = 0; i < kFirstLoads; ++i) {
    const auto start = Clock::now();
    load_once(copy);
    if (Clock::now() - start > kLongest) skip("a load takes more than {} ms", kLongest.count());
  }
  const uint64_t before = heap_bytes();
  const size_t mapped = mapping_count();
  for (int i = 0; i < kLoads; ++i) load_once(copy);
  const uint64_t after = heap_bytes();
  const uint64_t grown = after > before ? (after - before) / kLoads : 0;
  expect(grown <= bytes_kept_of_load(), "{} loads left {} bytes behind, {} a load", kLoads,
         after - before, grown);
  expect(mapping_count() < mapped + kLoads / 10, "{} loads left {} mappings behind", kLoads,
         mapping_count() - mapped);
  if (void* stays = dlopen(copy.path().c_str(), RTLD_NOW | RTLD_NOLOAD)) {
    dlclose(stays);
    skip("it stays loaded when it is closed");
  }
}

constexpr Check kChecks[] = {
    {"load.opens", "R1", Needs::File, "", "the system loads it, with nothing undefined",
     "Link what the text names; link with -Wl,-z,defs to hear of it earlier.", opens},
    {"load.is_fast", "R14", Needs::Library, "", "loading does no work",
     "Move work out of static constructors, into create or prepare.", is_fast},
    {"load.leaves_process", "R10", Needs::Library, "", "loading leaves the process as it is",
     "Link without -ffast-math; change nothing in static constructors.", loading_leaves},
    {"load.has_entry", "R14", Needs::Library, "", "exports " GESSO_ENTRY_SYMBOL,
     "Define the entry with GESSO_EXPORT, or with GESSO_EXPORT_PLUGIN in C++.", has_entry},
    {"load.entry_succeeds", "R7", Needs::Library, "", "the entry gives a table",
     "Give the table of the plugin and return GESSO_STATUS_OK.", entry_succeeds},
    {"load.entry_leaves_process", "R10", Needs::Library, "",
     "the entry leaves the process as it is",
     "Set floating-point control, locale, folder, environment and signals back.", entry_leaves},
    {"load.entry_twice", "R4", Needs::Table, "", "the entry gives the same table every time",
     "Keep one constant table; do not make a new one for each call.", entry_twice},
    {"load.newer_host", "R2", Needs::Table, "", "a host of a later minor is accepted",
     "Call gesso_negotiate; refuse only minors below the one that you need.", newer_host},
    {"load.longer_host", "R2", Needs::Table, "", "a host with a longer table is accepted",
     "Compare struct_size with >=, never with ==.", longer_host},
    {"load.cycles", "R16", Needs::Table, "", "1,000 times loaded and unloaded, nothing left",
     "Free in static destructors, or in shutdown, what static constructors and the entry allocate.",
     cycles},
};

}  // namespace

std::span<const Check> load_checks() { return kChecks; }

}  // namespace gesso::validate
