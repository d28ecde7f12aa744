#include "cli/interrupt.hpp"

#include <unistd.h>

#include <csignal>
#include <string_view>

#include "cli/exit_code.hpp"

namespace gesso::cli {
namespace {

volatile std::sig_atomic_t came_once = 0;

void catch_with(void (*handler)(int)) {
  std::signal(SIGINT, handler);
  std::signal(SIGTERM, handler);
}

void end(int) {  // calls only what a signal handler may
  constexpr std::string_view kText = "gesso: cancelled\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kText.data(), kText.size());
  _exit(kRunFailed);
}

void remember(int signal) {
  came_once = 1;
  std::signal(signal, SIG_DFL);  // the next one kills
}

}  // namespace

void end_on_interrupt() { catch_with(end); }

Interrupt::Interrupt() { catch_with(remember); }
Interrupt::~Interrupt() { end_on_interrupt(); }

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
