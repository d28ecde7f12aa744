// GGUF files.
#include "weights.hpp"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const gesso::fuzz::InputFile file("input.gguf");
  gesso::fuzz::expect_no_more_than_an_error(
      [&] { gesso::fuzz::read_weights(file.write(gesso::fuzz::text_of(data, size))); });
  return 0;
}
