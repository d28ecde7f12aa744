// The floating-point control of the calling thread: rounding, traps, flushing of denormals.
#pragma once

#include <cstdint>
#include <string>

namespace gesso::registry {

/// Exception flags are not part of it. On processors other than x86-64 and AArch64 it is empty.
struct FpControl {
  uint32_t vector = 0;  // MXCSR without flags, or FPCR
  uint16_t x87 = 0;     // the control word

  static FpControl read();
  void apply() const;
  bool operator==(const FpControl&) const = default;
};

/// "denormals are flushed to zero, ...": what `after` does that `before` did not.
std::string describe_change(const FpControl& before, const FpControl& after);

}  // namespace gesso::registry
