#include "cli/interrupt.hpp"

#include <csignal>

#include "cli/exit_code.hpp"

namespace gesso::cli {
namespace {

volatile std::sig_atomic_t came_once = 0;

void remember(int signal) {
  came_once = 1;
  std::signal(signal, SIG_DFL);  // the next one kills
}

}  // namespace

Interrupt::Interrupt() {
  std::signal(SIGINT, remember);
  std::signal(SIGTERM, remember);
}

Interrupt::~Interrupt() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

bool Interrupt::came() const { return came_once != 0; }

void wait_minding_interrupts(app::Job& job) {
  constexpr uint64_t kPollMs = 50;
  const Interrupt interrupt;
  while (!job.ended_within(kPollMs)) {
    if (interrupt.came()) job.cancel();
  }
  try {
    job.wait();
  } catch (const Error& error) {
    throw Exit(exit_code(error.status(), true), error.what());
  }
}

}  // namespace gesso::cli
