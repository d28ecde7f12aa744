// A child process with one end of a socket, and how it ended.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

#include "isolation/shared_memory.hpp"

namespace gesso::isolation {

class Process {
 public:
  /// Starts `program`; it finds `files` from descriptor 3 on, and nothing else of this process is
  /// open there but standard error. Its standard output is standard error, too.
  /// @param environment  "NAME=value", on top of this process's
  /// @throws Error  NotFound or Internal with the system's text
  Process(const std::filesystem::path& program, const std::vector<int>& files,
          const std::vector<std::string>& environment);
  /// Ends it by force if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Waits for its end so long; then ends it by force.
  /// @return  "signal 11 (Segmentation fault)", "exit with code 3"
  std::string end(double seconds);

 private:
  bool wait(bool block);
  pid_t id_ = -1;
  int status_ = 0;
  bool known_ = false;  // the status was told to us
};

}  // namespace gesso::isolation
