#include "engine/registry/watching.hpp"

#include <utility>

namespace gesso::registry {
namespace {

thread_local std::shared_ptr<checking::Watcher> current;

}  // namespace

Watching::Watching(std::shared_ptr<checking::Watcher> watcher)
    : before_(std::exchange(current, std::move(watcher))) {}

Watching::~Watching() { current = std::move(before_); }

std::shared_ptr<checking::Watcher> Watching::now() { return current; }

}  // namespace gesso::registry
