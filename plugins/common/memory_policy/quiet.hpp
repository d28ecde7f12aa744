// Memory policies that need not be told of everything.
#pragma once

#include "gesso/cpp/plugin.hpp"

namespace gesso::memory_policy {

/// MemoryPolicyInterface of a T with `static constexpr uint32_t ignores`: bit (1 << event) for each
/// event that it does without. A use of weights that nobody is told of costs next to nothing.
template <class T>
struct QuietInterface : MemoryPolicyInterface<T> {
  static const void* table() {
    static const gesso_memory_policy_t quiet = [] {
      auto t = *static_cast<const gesso_memory_policy_t*>(MemoryPolicyInterface<T>::table());
      t.reserved = T::ignores;
      return t;
    }();
    return &quiet;
  }
};

}  // namespace gesso::memory_policy
