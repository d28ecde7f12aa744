// Formats that protect themselves (lengths, checksums) are repaired after a mutation, so that most
// inputs come further than the first check.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
/// libFuzzer calls it, where a program has it, for each new input.
size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed);
}

namespace gesso::fuzz {

/// One in four stays as it is.
template <class Repair>
size_t mutate(uint8_t* data, size_t size, size_t max_size, unsigned seed, Repair repair) {
  const size_t mutated = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 4 != 0) repair(data, mutated);
  return mutated;
}

}  // namespace gesso::fuzz
