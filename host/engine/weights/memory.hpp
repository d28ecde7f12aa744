// Memory for tensors that are made here.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace gesso::weights {

/// Alignment in bytes, for vector instructions.
inline constexpr size_t kTensorAlignment = 64;

struct Memory {
  std::span<std::byte> bytes;
  std::shared_ptr<std::byte> owner;
};
Memory allocate(size_t size_bytes);

}  // namespace gesso::weights
