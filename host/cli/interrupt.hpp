// Ctrl-C: the first asks for a clean end, the second kills.
#pragma once

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

}  // namespace gesso::cli
