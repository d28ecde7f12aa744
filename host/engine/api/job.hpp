// A job: a body that runs on a thread of its own, and everything that others may ask meanwhile.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <nlohmann/json.hpp>

#include "engine/api/outcome.hpp"
#include "engine/api/turns.hpp"
#include "engine/image/image.hpp"
#include "runtime/runtime.hpp"

namespace gesso::api {

using Picture = std::shared_ptr<const image::Image>;

/// An event with what only the end has.
struct JobEvent {
  runtime::Event event;
  Status status = Status::Ok;
  Picture picture;  // a result; else `event.picture` is borrowed, if anything
};

class Job {
 public:
  /// Works, and gives the report. Talks to its job by the functions for bodies below.
  using Body = std::function<nlohmann::json(Job&)>;
  /// Called on the job's thread, never under a lock.
  using Sink = std::function<void(const JobEvent&)>;

  /// `request`: what the job is about to do, for whoever asks.
  explicit Job(nlohmann::json request) : request_(std::move(request)) {}
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  /// Takes a place in `turns` and returns; called once. @throws Error OutOfMemory without a thread
  void start(Body body, Sink sink, std::shared_ptr<Turns> turns);

  // For any thread.
  void cancel();
  bool cancelled() const { return cancelled_; }
  const nlohmann::json& request() const { return request_; }
  /// The next result, waiting for it; null after the last. @throws Error how the job ended
  Picture next();
  /// Waits for the end and the last event; 0: for ever. @throws Error BadState when the time is
  /// over, else how the job ended
  void wait(uint64_t timeout_ms);
  /// @throws Error BadState before the end
  nlohmann::json report() const;
  /// Cancels, and waits unless called on the job's own thread.
  void stop();

  // For the body.
  void emit(const runtime::Event& event);
  void warn(const std::string& text);
  void add_result(image::Image&& picture, uint64_t number, uint64_t total);
  /// @throws Error Cancelled when that was asked for
  void check_cancelled() const;
  runtime::Watch watch();

 private:
  void run(Body body, Turns::Ticket ticket);
  void finish(Outcome outcome, nlohmann::json report);
  bool on_own_thread() const { return thread_id_.load() == std::this_thread::get_id(); }

  const nlohmann::json request_;
  std::atomic<bool> cancelled_ = false;
  std::shared_ptr<Turns> turns_;
  Sink sink_;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::deque<Picture> results_;
  std::optional<Outcome> outcome_;  // there is one: no result follows
  nlohmann::json report_;
  bool over_ = false;  // no event follows

  std::mutex join_mutex_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_;
};

}  // namespace gesso::api
