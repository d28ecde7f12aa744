// Plugins under watch: GESSO_CHECK.
#pragma once

#include <memory>

#include "engine/check/object.hpp"
#include "engine/registry/registry.hpp"

namespace gesso::registry {

/// While it lives, registries that are scanned on this thread hold their components to the rules of
/// the headers (engine/check/check.hpp).
class Watching {
 public:
  /// Null: they do not.
  explicit Watching(std::shared_ptr<checking::Watcher> watcher);
  ~Watching();
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;
  static std::shared_ptr<checking::Watcher> now();

 private:
  std::shared_ptr<checking::Watcher> before_;
};

}  // namespace gesso::registry
