#include "engine/weights/memory.hpp"

#include <algorithm>
#include <new>

namespace gesso::weights {

Memory allocate(size_t size_bytes) {
  constexpr std::align_val_t kAlign{kTensorAlignment};
  auto* data = static_cast<std::byte*>(::operator new(std::max<size_t>(size_bytes, 1), kAlign));
  return {{data, size_bytes}, {data, [](std::byte* p) { ::operator delete(p, kAlign); }}};
}

}  // namespace gesso::weights
