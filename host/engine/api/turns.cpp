#include "engine/api/turns.hpp"

#include <algorithm>

namespace gesso::api {

Turns::Ticket Turns::take() {
  const std::lock_guard lock(mutex_);
  line_.push_back(next_);
  return next_++;
}

bool Turns::wait(Ticket ticket, const std::function<bool()>& gave_up) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return line_.front() == ticket || gave_up(); });
  return !gave_up();
}

void Turns::hand_back(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  line_.erase(std::find(line_.begin(), line_.end(), ticket));
  changed_.notify_all();
}

void Turns::wake() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void Turns::wait_until_idle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return line_.empty(); });
}

}  // namespace gesso::api
