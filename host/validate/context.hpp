// What a check can look at.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/registry/manifest.hpp"
#include "validate/check.hpp"
#include "validate/subject.hpp"

namespace gesso::validate {

/// The plugin that is checked; filled step by step, as far as it goes.
struct Target {
  std::filesystem::path library, manifest_file;
  std::optional<registry::Manifest> manifest;
  std::string manifest_error;
  void* handle = nullptr;  // of the system's loader
  std::string load_error;
  double load_seconds = 0;      // of this thread's processor time
  std::string load_difference;  // of the surroundings
  const gesso_plugin_t* table = nullptr;
  gesso_status_t entry_status = GESSO_STATUS_INTERNAL;
  std::string entry_text, entry_difference;
  std::string table_bytes;  // as it was at first
  Samples samples;
};

/// Finds library and manifest: of either path, the other one beside it.
Target find_target(const std::filesystem::path& path);
/// Maps the library and calls its entry, and notes everything that happens. Never throws.
void load(Target& target);
/// The host that entries see. Nothing but its log may be used.
gesso_host_t entry_host(uint32_t minor = GESSO_ABI_MINOR);
gesso_plugin_entry_t find_entry(const Target& target);
/// The bytes of the table and of everything it points to that must not change.
std::string bytes_of(const gesso_plugin_t& table);

struct Context {
  Target& target;
  const registry::ComponentInfo* component = nullptr;  // of a check of components
  bool is_quick = false;                               // fewer repetitions

  const gesso_plugin_t& table() const { return *target.table; }
  const Sample& sample() const;
  const gesso_component_desc_t* descriptor() const;
  std::unique_ptr<Subject> create(const SubjectOptions& options = {}) const;
  /// Created and prepared. @throws Skipped  when it cannot be, or the sample lacks its weights
  std::unique_ptr<Subject> ready(const SubjectOptions& options = {}) const;
  void require_sample() const;  // @throws Skipped as above
};

}  // namespace gesso::validate
