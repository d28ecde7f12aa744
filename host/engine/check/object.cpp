#include "engine/check/object.hpp"

#include <fmt/format.h>

#include <utility>

#include "engine/check/component.hpp"

namespace gesso::checking {

namespace {

void print(int32_t level, const std::string& text) {
  if (level >= GESSO_LOG_WARNING) fmt::print(stderr, "{}\n", text);
}

}  // namespace

Watcher::Watcher(Tell tell) : tell_(tell ? std::move(tell) : Tell(print)) {}

void Watcher::tell(int32_t level, const std::string& text) {
  const Tell tell = [&] {
    const std::lock_guard lock(mutex_);
    return tell_;
  }();
  tell(level, "GESSO_CHECK: " + text);
}

void Watcher::remark(const std::string& text) { tell(GESSO_LOG_WARNING, text); }

void Watcher::problem(const std::string& text) {
  ++problems_;
  {
    const std::lock_guard lock(mutex_);
    if (!told_.insert(text).second) return;
  }
  tell(GESSO_LOG_ERROR, text);
}

void Watcher::add(Component& component) {
  const std::lock_guard lock(mutex_);
  components_.push_back(&component);
}

void Watcher::finish() {
  std::vector<Component*> components;
  {
    const std::lock_guard lock(mutex_);
    components.swap(components_);
  }
  for (Component* component : components) component->tell_what_is_left();
  tell(GESSO_LOG_INFO, fmt::format("{} calls of {} components were checked; broken rules: {}",
                                   calls(), components.size(), problems()));
  const std::lock_guard lock(mutex_);
  tell_ = print;
}

Known& Known::all() {
  static Known& known = *new Known;  // plugins may call while the process ends
  return known;
}

void Known::add(const void* address, Object& object) {
  const std::lock_guard lock(mutex_);
  objects_[address] = &object;
}

Object* Known::find(const void* address) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(address);
  return found == objects_.end() ? nullptr : found->second;
}

void Known::retire(const void* address, std::unique_ptr<Object> object) {
  object->ended = true;
  std::pair<const void*, std::unique_ptr<Object>> oldest{address, std::move(object)};
  const std::lock_guard lock(mutex_);
  std::swap(oldest, retired_[next_]);
  next_ = (next_ + 1) % kRetired;
  if (oldest.second) objects_.erase(oldest.first);
}

}  // namespace gesso::checking
