// Lets the jobs of one pipeline run one after another, in the order in which they came.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

namespace gesso::api {

class Turns {
 public:
  using Ticket = uint64_t;

  Ticket take();
  /// Waits for the turn of `ticket`. False: `gave_up` came true before; the ticket must still be
  /// handed back.
  bool wait(Ticket ticket, const std::function<bool()>& gave_up);
  void hand_back(Ticket ticket);
  /// Makes those who wait ask `gave_up` again.
  void wake();
  /// Waits until nobody holds a ticket.
  void wait_until_idle();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Ticket> line_;
  Ticket next_ = 0;
};

}  // namespace gesso::api
