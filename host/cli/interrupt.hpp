// Ctrl-C and SIGTERM: while a job runs the first asks for a clean end, the second kills; before,
// when nothing is being written, the first ends the program.
#pragma once

#include "gesso/cpp/engine.hpp"

namespace gesso::cli {

/// From now on an interrupt ends the program with a word and the exit code of a failed run.
void end_on_interrupt();

/// Catches one interrupt, as long as it lives.
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
