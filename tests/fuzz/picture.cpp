// Pictures: PNG, JPEG, WebP. The content tells which; each has a program and a corpus of its own.
#include <array>

#include "engine/image/image_io.hpp"
#include "engine/image/image_size.hpp"
#include "input.hpp"
#include "mutate.hpp"

namespace {

constexpr int64_t kMaxPixels = 1 << 20;  // so that claims of large sizes cost no time

uint32_t big_endian(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

/// The checksum of PNG's chunks (PNG specification, annex D).
uint32_t crc_of(const uint8_t* data, size_t size) {
  uint32_t crc = ~uint32_t{0};
  for (size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

/// Makes the checksums of a PNG's chunks right; other formats have none.
void repair(uint8_t* data, size_t size) {
  if (size < 8 || data[0] != 0x89) return;
  for (size_t at = 8; size - at >= 12;) {
    const size_t length = big_endian(data + at);
    if (length > size - at - 12) return;
    const uint32_t crc = crc_of(data + at + 4, length + 4);
    for (int i = 0; i < 4; ++i)
      data[at + 8 + length + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
    at += 12 + length;
  }
}

}  // namespace

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return gesso::fuzz::mutate(data, size, max_size, seed, repair);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using gesso::image::Alpha;
  static const gesso::fuzz::InputFile file("picture");
  for (const Alpha alpha : {Alpha::OnWhite, Alpha::Keep})
    gesso::fuzz::expect_no_more_than_an_error([&] {
      const auto image =
          gesso::image::decode({data, size}, "picture", {.alpha = alpha, .max_pixels = kMaxPixels});
      gesso::image::check_image(image, "picture");
    });
  gesso::fuzz::expect_no_more_than_an_error(
      [&] { gesso::image::size_of(file.write(gesso::fuzz::text_of(data, size))); });
  return 0;
}
