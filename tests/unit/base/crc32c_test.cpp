#include "engine/base/crc32c.hpp"

#include <doctest/doctest.h>

#include <string>

using gesso::base::crc32c;

namespace {
uint32_t of(const std::string& text, uint32_t before = 0) {
  return crc32c(std::as_bytes(std::span(text)), before);
}
}  // namespace

// Source of the numbers: RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
TEST_CASE("known checksums") {
  CHECK(of("") == 0u);
  CHECK(of("123456789") == 0xE3069283u);
  CHECK(of(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(of(std::string(32, '\xff')) == 0x62A8AB43u);
}

TEST_CASE("pieces give what the whole gives") {
  const std::string text = "The quick brown fox jumps over the lazy dog";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    CHECK(of(text.substr(cut), of(text.substr(0, cut))) == of(text));
  }
}
