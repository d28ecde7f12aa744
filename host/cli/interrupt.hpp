// Ctrl-C: the first asks for a clean end, the second kills.
#pragma once

#include "gesso/cpp/engine.hpp"

namespace gesso::cli {

/// Catches SIGINT and SIGTERM once, as long as it lives.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool came() const;
};

/// Waits for the end of a job; an interrupt cancels it. @throws Exit how the job ended, if not well
void wait_minding_interrupts(app::Job& job);

}  // namespace gesso::cli
