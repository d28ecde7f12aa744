#include "cli/interrupt.hpp"

#include <csignal>

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

}  // namespace gesso::cli
