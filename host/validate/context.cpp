#include "validate/context.hpp"

#include <dlfcn.h>

#include <ctime>

#include "validate/surroundings.hpp"

namespace gesso::validate {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".gesso.toml";

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void GESSO_CALL ignore_log(const gesso_host_t*, int32_t, const char*) {}
const void* GESSO_CALL no_service(const gesso_host_t*, const char*) { return nullptr; }

void map_library(Target& target) {
  const Surroundings before = Surroundings::now();
  const double start = processor_seconds();
  target.handle = dlopen(target.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  target.load_seconds = processor_seconds() - start;
  target.load_difference = before.difference(Surroundings::now());
  if (const char* error = target.handle ? nullptr : dlerror()) target.load_error = error;
}

void enter(Target& target) {
  static const gesso_host_t host = entry_host();
  const gesso_plugin_entry_t entry = find_entry(target);
  if (!entry) return;
  const Surroundings before = Surroundings::now();
  ErrorText error;
  const gesso_plugin_t* table = nullptr;
  target.entry_status = entry(&host, &table, &error.error);
  target.entry_text = error.text();
  target.entry_difference = before.difference(Surroundings::now());
  if (target.entry_status == GESSO_STATUS_OK) target.table = table;
  const auto whole = [&] {
    return target.table && GESSO_HAS(gesso_plugin_t, target.table, shutdown) &&
           target.table->create && target.table->get_interface && target.table->id &&
           (target.table->components || target.table->n_components == 0);
  };
  if (whole()) target.table_bytes = bytes_of(*target.table);
}

void append(std::string& bytes, const void* data, size_t size) {
  bytes.append(static_cast<const char*>(data), size);
}
void append(std::string& bytes, const char* text) { bytes += text ? text : "<null>"; }

}  // namespace

Target find_target(const fs::path& path) {
  Target target;
  const std::string text = fs::absolute(path).lexically_normal().string();
  if (text.ends_with(kSuffix)) {
    target.manifest_file = text;
  } else {
    target.library = text;
    target.manifest_file = fs::path(text).replace_extension(kSuffix);
  }
  try {
    if (fs::exists(target.manifest_file)) {
      target.manifest = registry::read_manifest(target.manifest_file);
      if (target.library.empty()) target.library = target.manifest->plugin.library;
    }
  } catch (const std::exception& error) {
    target.manifest_error = error.what();
  }
  return target;
}

gesso_host_t entry_host(uint32_t minor) {
  return {sizeof(gesso_host_t), minor, nullptr, "gesso validate", "0", ignore_log, no_service};
}

gesso_plugin_entry_t find_entry(const Target& target) {
  return reinterpret_cast<gesso_plugin_entry_t>(dlsym(target.handle, GESSO_ENTRY_SYMBOL));
}

void load(Target& target) {
  map_library(target);
  if (target.handle) enter(target);
}

std::string bytes_of(const gesso_plugin_t& table) {
  std::string bytes;
  append(bytes, &table, sizeof table);
  for (const char* text : {table.id, table.version, table.vendor, table.license})
    append(bytes, text);
  for (uint64_t i = 0; i < table.n_components; ++i) {
    const gesso_component_desc_t* desc = table.components[i];
    if (!desc) continue;
    append(bytes, desc, sizeof *desc);
    for (const char* text : {desc->id, desc->kind, desc->name, desc->version, desc->summary})
      append(bytes, text);
    for (const char* const* id = desc->interfaces; id && *id; ++id) append(bytes, *id);
  }
  return bytes;
}

const Sample& Context::sample() const {
  static const Sample none;
  const auto found = target.samples.find(component->id);
  return found == target.samples.end() ? none : found->second;
}

const gesso_component_desc_t* Context::descriptor() const {
  for (uint64_t i = 0; i < table().n_components; ++i) {
    const gesso_component_desc_t* desc = table().components[i];
    if (desc && desc->id && component->id == desc->id) return desc;
  }
  return nullptr;
}

void Context::require_sample() const {
  if (component->pattern && sample().weights.empty()) {
    skip("it computes with weights: give tiny ones with --sample FILE, or beside the library as {}",
         fs::path(target.library).replace_extension(".validate.toml").filename().string());
  }
  if (component->kind == "tokenizer" && !target.samples.contains(component->id)) {
    skip("most tokenizers need a file: name it as values.path in a sample, or give an empty one");
  }
}

std::unique_ptr<Subject> Context::create(const SubjectOptions& options) const {
  return std::make_unique<Subject>(table(), *component, sample(), options);
}

std::unique_ptr<Subject> Context::ready(const SubjectOptions& options) const {
  require_sample();
  auto subject = create(options);
  if (subject->prepare() != GESSO_STATUS_OK) {
    skip("it cannot be prepared (see component.prepares)");
  }
  return subject;
}

}  // namespace gesso::validate
