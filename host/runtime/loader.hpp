// One thread that reads ahead while another one computes.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace gesso::runtime {

class Loader {
 public:
  Loader() = default;
  ~Loader();  // ends what has begun, drops the rest
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Runs `work` after what was submitted before. The thread starts with the first one.
  std::future<void> submit(std::function<void()> work);

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<std::packaged_task<void()>> queue_;
  std::jthread thread_;  // last: it ends before the queue goes
};

}  // namespace gesso::runtime
