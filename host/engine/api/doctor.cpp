#include "engine/api/doctor.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#include "engine/api/engine.hpp"
#include "engine/registry/describe.hpp"

namespace gesso::api {

using nlohmann::json;

namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string system_name() {
  utsname names{};
  if (uname(&names) != 0) return "unknown";
  return std::string(names.sysname) + " " + names.release + " " + names.machine;
}

json machine() {
  const auto pages = static_cast<uint64_t>(std::max(sysconf(_SC_PHYS_PAGES), 0L));
  const auto page_bytes = static_cast<uint64_t>(std::max(sysconf(_SC_PAGESIZE), 0L));
  return {{"processor", processor_name()},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_bytes", pages * page_bytes},
          {"system", system_name()}};
}

json runtime(Engine& engine) {
  try {
    return engine.runtime().machine();
  } catch (const std::exception& error) {
    return {{"error", error.what()}};
  }
}

/// Loads what the engine has accepted, in a registry of its own: the engine's stays as it is.
json loaded_plugins(Engine& engine, bool has_runtime) {
  registry::SearchOptions options;
  options.use_environment = options.use_default_paths = false;
  options.trust.writable_files = true;  // the engine has asked
  options.isolation = engine.search().isolation;
  if (has_runtime) {
    options.runtime_version = [&engine] {
      return "torch/" + engine.runtime().machine().value("libtorch", std::string());
    };
  }
  for (const registry::PluginInfo& plugin : engine.registry()->plugins()) {
    options.given.push_back(plugin.manifest);
  }
  const auto registry = registry::Registry::scan(options);
  registry->load_all();
  return registry::plugins_json(*registry);
}

/// The engine's candidates, with what came out when they were loaded.
json candidates_after(const json& before, const json& loaded) {
  json result = before;
  for (json& candidate : result) {
    for (const json& later : loaded) {
      if (candidate["accepted"] != true || later["path"] != candidate["path"]) continue;
      candidate["accepted"] = later["accepted"];
      candidate["reason"] = later["reason"];
    }
  }
  return result;
}

}  // namespace

json doctor_json(Engine& engine) {
  json result{{"version", GESSO_VERSION}, {"machine", machine()}, {"runtime", runtime(engine)}};
  const bool has_runtime = !result["runtime"].contains("error");
  const json loaded = loaded_plugins(engine, has_runtime);
  const json before = registry::plugins_json(*engine.registry());
  result["plugins"] = loaded["plugins"];
  result["candidates"] = candidates_after(before["candidates"], loaded["candidates"]);
  result["variants"] = json::array();
  for (const auto& variant : engine.registry()->variants()) {
    result["variants"].push_back(variant.name);
  }
  const bool refused = std::ranges::any_of(
      result["candidates"], [](const json& candidate) { return candidate["accepted"] == false; });
  result["ok"] = has_runtime && !refused && !result["variants"].empty();
  return result;
}

}  // namespace gesso::api
