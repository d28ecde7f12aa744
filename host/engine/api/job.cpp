#include "engine/api/job.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

namespace gesso::api {

using nlohmann::json;

namespace {

constexpr uint64_t kLongestWaitMs = uint64_t{1000} * 60 * 60 * 24 * 365;  // clocks overflow beyond

}  // namespace

Job::~Job() { stop(); }

void Job::start(Body body, Sink sink, std::shared_ptr<Turns> turns) {
  sink_ = std::move(sink);
  turns_ = std::move(turns);
  const Turns::Ticket ticket = turns_->take();
  try {
    const std::lock_guard lock(join_mutex_);
    thread_ = std::thread([this, body = std::move(body), ticket]() mutable {
      thread_id_ = std::this_thread::get_id();
      run(std::move(body), ticket);
      thread_id_ = std::thread::id();  // the system may give it to somebody else
    });
  } catch (const std::system_error& error) {
    turns_->hand_back(ticket);
    throw Error(Status::OutOfMemory, std::string("no thread for a job: ") + error.what());
  }
}

void Job::run(Body body, Turns::Ticket ticket) {
  json report = json::object();
  Outcome outcome = outcome_of([&] {
    const bool our_turn = turns_->wait(ticket, [this] { return cancelled(); });
    if (!our_turn) throw Error(Status::Cancelled, "cancelled before it began");
    report = body(*this);
  });
  // Of a job, that status says "goes on" (gesso_job_wait): nobody would ever see the end.
  if (outcome.status == Status::BadState) outcome.status = Status::Internal;
  body = nullptr;  // lets go of the pipeline
  turns_->hand_back(ticket);
  finish(std::move(outcome), std::move(report));
}

void Job::finish(Outcome outcome, json report) {
  report["status"] = name_of(outcome.status);
  if (!outcome.text.empty()) report["error"] = outcome.text;
  JobEvent end;
  end.event.type = runtime::Event::End;
  end.event.text = outcome.text;
  end.status = outcome.status;
  {
    const std::lock_guard lock(mutex_);
    outcome_ = std::move(outcome);
    report_ = std::move(report);
    changed_.notify_all();
  }
  outcome_of([&] { sink_(end); });  // nothing is left that a failure could end
  const std::lock_guard lock(mutex_);
  over_ = true;
  changed_.notify_all();
}

void Job::cancel() {
  cancelled_ = true;
  if (turns_) turns_->wake();
}

Picture Job::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !results_.empty() || outcome_; });
  if (results_.empty()) {
    outcome_->throw_if_failed();
    return nullptr;
  }
  Picture picture = std::move(results_.front());
  results_.pop_front();
  return picture;
}

void Job::wait(uint64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  const auto ended = [&] { return over_ || (outcome_ && on_own_thread()); };
  if (timeout_ms == 0) {
    if (on_own_thread() && !outcome_) {
      throw Error(Status::BadState, "a job cannot wait for itself: this is its own callback");
    }
    changed_.wait(lock, ended);
  } else if (!changed_.wait_for(
                 lock, std::chrono::milliseconds(std::min(timeout_ms, kLongestWaitMs)), ended)) {
    throw Error(Status::BadState,
                "the job has not ended in " + std::to_string(timeout_ms) + " ms; it goes on");
  }
  outcome_->throw_if_failed();
}

json Job::report() const {
  const std::lock_guard lock(mutex_);
  if (!outcome_) throw Error(Status::BadState, "there is no report before the end of the job");
  return report_;
}

void Job::stop() {
  cancel();
  if (on_own_thread()) return;
  const std::lock_guard lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

void Job::emit(const runtime::Event& event) { sink_({event, Status::Ok, nullptr}); }

void Job::warn(const std::string& text) {
  runtime::Event event;
  event.type = runtime::Event::Warning;
  event.text = text;
  emit(event);
}

void Job::add_result(image::Image&& picture, uint64_t number, uint64_t total) {
  JobEvent event;
  event.picture = std::make_shared<const image::Image>(std::move(picture));
  event.event.type = runtime::Event::Image;
  event.event.stage = "decode";
  event.event.step = number;
  event.event.total = total;
  {
    const std::lock_guard lock(mutex_);
    results_.push_back(event.picture);
    changed_.notify_all();
  }
  sink_(event);
}

void Job::check_cancelled() const {
  if (cancelled()) throw Error(Status::Cancelled, "cancelled");
}

runtime::Watch Job::watch() {
  return {.event = [this](const runtime::Event& event) { emit(event); },
          .cancelled = [this] { return cancelled(); }};
}

}  // namespace gesso::api
