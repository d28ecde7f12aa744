// Safetensors files.
#include <cstring>

#include "mutate.hpp"
#include "weights.hpp"

namespace {

/// Makes the length of the header reach to its last brace.
void repair(uint8_t* data, size_t size) {
  const size_t brace = gesso::fuzz::text_of(data, size).rfind('}');
  if (brace == std::string_view::npos || brace < sizeof(uint64_t)) return;
  const uint64_t length = brace + 1 - sizeof length;
  std::memcpy(data, &length, sizeof length);
}

}  // namespace

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return gesso::fuzz::mutate(data, size, max_size, seed, repair);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const gesso::fuzz::InputFile file("input.safetensors");
  gesso::fuzz::expect_no_more_than_an_error(
      [&] { gesso::fuzz::read_weights(file.write(gesso::fuzz::text_of(data, size))); });
  return 0;
}
