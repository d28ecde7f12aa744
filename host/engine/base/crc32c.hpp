// CRC-32C (Castagnoli), the checksum of TensorFlow's record files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gesso::base {

/// @param before  of the bytes before these, to go on from
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before = 0);

}  // namespace gesso::base
