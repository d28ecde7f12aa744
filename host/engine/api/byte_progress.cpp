#include "engine/api/byte_progress.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gesso::api {
namespace {

constexpr double kMiB = 1 << 20;

}  // namespace

void ByteProgress::start_stage() const {
  runtime::Event event;
  event.type = runtime::Event::Stage;
  event.stage = stage_;
  job_.emit(event);
}

void ByteProgress::show(uint64_t done, uint64_t total, const std::string& file) {
  if (std::this_thread::get_id() != job_thread_) return;
  const auto now = Clock::now();
  if (!started_) {
    started_ = true;
    begin_ = now;
    first_ = done;
  }
  const uint64_t part = total / 400;
  const bool due = now - told_ > std::chrono::milliseconds(500) && done > told_bytes_ + part;
  if (!due && done < total) return;
  told_ = now;
  told_bytes_ = done;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const double rate =
      seconds > 0 && done > first_ ? static_cast<double>(done - first_) / seconds : 0;
  runtime::Event event;
  event.type = runtime::Event::Step;
  event.stage = stage_;
  event.step = static_cast<uint64_t>(static_cast<double>(done) / kMiB);
  event.total = std::max<uint64_t>(1, static_cast<uint64_t>(static_cast<double>(total) / kMiB));
  event.text = fmt::format("MiB, {:.1f} MB/s, {}", rate / 1e6, file);
  if (rate > 0) event.seconds_left = static_cast<double>(total - std::min(done, total)) / rate;
  job_.emit(event);
}

}  // namespace gesso::api
