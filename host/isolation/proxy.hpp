// A component that runs in a child process and looks like any other: its tables are stubs, its
// crash is an error.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "gesso/plugin.h"

namespace gesso::isolation {

struct Options {
  std::filesystem::path program;  // gesso-plugin-host
  std::filesystem::path library;
  std::string sha256;  // that the library must have; empty: not compared
  std::string component, kind;
  std::vector<std::string> interfaces;   // as the manifest tells them
  std::vector<std::string> environment;  // of the child: "NAME=value"
  double cancel_seconds = 10;            // after a cancel; a child that goes on is ended
  double answer_seconds = 120;           // for calls that cannot be cancelled
};

/// Starts a child, loads the library there and creates the component. The instance is `destroy`ed
/// as any other. When its process ends, the call under way fails, naming plugin and signal; the
/// next call starts another one, prepared as the first was.
/// @param host  outlives the component. Of its services the child is given "gesso.weights/1"
/// @throws Error  NotSupported for a kind that needs other components of its pipeline; Incompatible
///                when it is not what the manifest says; else what loading and creating say
gesso_component_t* open_proxy(Options options, const gesso_host_t* host);

/// "" for kinds that can run in a child process, else why not.
std::string obstacle(std::string_view kind);

}  // namespace gesso::isolation
