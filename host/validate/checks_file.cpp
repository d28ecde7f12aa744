// The plugin's files, before any of its code runs.
#include <algorithm>

#include "validate/context.hpp"
#include "validate/elf_file.hpp"

namespace gesso::validate {
namespace {

namespace fs = std::filesystem;

void is_library(Context& c) { read_elf(c.target.library); }

/// For the other checks: what is no library was told once.
ElfFile elf(const Context& c) {
  try {
    return read_elf(c.target.library);
  } catch (const std::exception&) {
    skip("it is no library (see file.is_library)");
  }
}

void exports(Context& c) {
  for (const std::string& name : elf(c).exports) {
    expect(name.starts_with("gesso_plugin_entry_"), "it exports \"{}\" as well", name);
  }
}

/// Functions that change or end the process; what starts others is a matter of permissions.
constexpr const char* kEnding[] = {"_Exit",      "_exit",        "abort",        "exit",
                                   "kill",       "longjmp",      "raise",        "quick_exit",
                                   "siglongjmp", "pthread_exit", "__longjmp_chk"};
constexpr const char* kChanging[] = {"chdir",
                                     "clearenv",
                                     "fesetround",
                                     "putenv",
                                     "setenv",
                                     "setlocale",
                                     "sigaction",
                                     "signal",
                                     "srand",
                                     "umask",
                                     "unsetenv",
                                     "sched_setaffinity",
                                     "omp_set_num_threads"};
constexpr const char* kStarting[] = {"execl", "execv",       "execve", "execvp", "fork",
                                     "popen", "posix_spawn", "system", "vfork"};

template <size_t N>
std::string found(const ElfFile& file, const char* const (&names)[N]) {
  std::string text;
  for (const char* name : names) {
    if (!std::ranges::binary_search(file.imports, std::string(name))) continue;
    text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text;
}

void ends_no_process(Context& c) {
  ElfFile file = elf(c);
  // Rust's standard library has it for a panic within a panic, whatever the plugin does.
  if (file.from_rust) std::erase(file.imports, "abort");
  const std::string names = found(file, kEnding);
  expect(names.empty(), "it calls {}", names);
}

void changes_no_process(Context& c) {
  const std::string names = found(elf(c), kChanging);
  expect(names.empty(), "it calls {}", names);
}

void starts_no_process(Context& c) {
  const std::string names = found(elf(c), kStarting);
  const bool may = c.target.manifest && c.target.manifest->plugin.permissions.processes;
  expect(names.empty() || may, "it calls {}, and its manifest declares no processes", names);
}

void stack(Context& c) { expect(!elf(c).executable_stack, "it asks for an executable stack"); }

void writable(Context& c) {
  for (const fs::path& path :
       {c.target.library, c.target.manifest_file, c.target.library.parent_path()}) {
    if (!fs::exists(path)) continue;
    const bool open = (fs::status(path).permissions() & fs::perms::others_write) != fs::perms::none;
    expect(!open, "everybody may write to {}", path.string());
  }
}

void has_manifest(Context& c) {
  expect(fs::exists(c.target.manifest_file), "there is no {} beside it",
         c.target.manifest_file.filename().string());
}

void reads_manifest(Context& c) {
  expect(c.target.manifest_error.empty(), "{}", c.target.manifest_error);
}

void names_library(Context& c) {
  const fs::path& named = c.target.manifest->plugin.library;
  expect(fs::exists(named) && fs::equivalent(named, c.target.library),
         "the manifest names {}, not {}", named.filename().string(),
         c.target.library.filename().string());
}

constexpr Check kChecks[] = {
    {"file.is_library", "R1", Needs::File, "", "a shared library for this machine",
     "Build it as a MODULE or SHARED library with gesso_add_plugin.", is_library},
    {"file.exports", "R14", Needs::File, "", "exports the entry and nothing else",
     "Compile with -fvisibility=hidden -fvisibility-inlines-hidden; gesso_add_plugin does so.",
     exports},
    {"file.ends_no_process", "R7", Needs::File, "", "calls nothing that ends the process",
     "Return a status and a text instead; the host decides what happens then.", ends_no_process},
    {"file.changes_no_process", "R10", Needs::File, "",
     "calls nothing that changes the whole process",
     "Keep settings in your component; ask the host for seeds and threads.", changes_no_process},
    {"file.starts_no_process", "R15", Needs::File, "", "starts processes only if it says so",
     "Declare permissions.processes = true in the manifest, or do without.", starts_no_process},
    {"file.stack", "R10", Needs::File, "", "its stack holds no code",
     "Link with -Wl,-z,noexecstack; look for nested functions or assembly without a note.", stack},
    {"file.writable", "R15", Needs::File, "", "only its owner can replace it",
     "chmod o-w the library, the manifest and their folder; hosts refuse them otherwise.",
     writable},
    {"manifest.present", "R4", Needs::File, "", "a manifest lies beside the library",
     "Write NAME.gesso.toml; `gesso schema manifest` tells its keys.", has_manifest},
    {"manifest.readable", "R4", Needs::File, "", "the manifest is read without an error",
     "Correct what the text says; `gesso schema manifest` tells the keys.", reads_manifest},
    {"manifest.names_library", "R4", Needs::Manifest, "", "the manifest names this library",
     "Set library to the name of this file.", names_library},
};

}  // namespace

std::span<const Check> file_checks() { return kChecks; }

}  // namespace gesso::validate
