#include "engine/registry/fp_control.hpp"

#include <fmt/format.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gesso::registry {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kExceptionFlags = 0x3f;
constexpr uint32_t kFlush = 0x8040;  // flush-to-zero and denormals-are-zero
#else
constexpr uint32_t kFlush = 1u << 24;  // FPCR.FZ
#endif

}  // namespace

FpControl FpControl::read() {
  FpControl control;
#if defined(__x86_64__)
  control.vector = _mm_getcsr() & ~kExceptionFlags;
  asm volatile("fnstcw %0" : "=m"(control.x87));
#elif defined(__aarch64__)
  uint64_t fpcr;
  asm volatile("mrs %0, fpcr" : "=r"(fpcr));
  control.vector = static_cast<uint32_t>(fpcr);
#endif
  return control;
}

void FpControl::apply() const {
#if defined(__x86_64__)
  _mm_setcsr(vector | (_mm_getcsr() & kExceptionFlags));
  asm volatile("fldcw %0" : : "m"(x87));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" : : "r"(static_cast<uint64_t>(vector)));
#endif
}

std::string describe_change(const FpControl& before, const FpControl& after) {
  std::string text = fmt::format("control {:#06x} became {:#06x}, x87 {:#06x} became {:#06x}",
                                 before.vector, after.vector, before.x87, after.x87);
  if (after.vector & ~before.vector & kFlush) text += ": denormal numbers are flushed to zero";
  return text;
}

}  // namespace gesso::registry
