#include "runtime/report.hpp"

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "runtime/activations.hpp"
#include "runtime/timeline.hpp"

namespace gesso::runtime {

void Report::begin(const std::string& stage) {
  end();
  stage_ = stage;
  start_ = Clock::now();
  if (meter_) {
    live_before_ = meter_->live();
    meter_->reset_peak();
  }
  Event event;
  event.type = Event::Stage;
  event.stage = stage;
  watch_.event(event);
}

void Report::end() {
  if (!stage_.empty()) {
    json["stages"][stage_] = json["stages"].value(stage_, 0.0) + seconds_since(start_);
    if (meter_) {
      uint64_t most = meter_->peak();
      most -= std::min(most, live_before_);
      auto& activations = json["activations"][stage_];
      activations = std::max(most, activations.is_null() ? 0 : activations.get<uint64_t>());
    }
    if (timeline_) timeline_->add(Timeline::kStages, stage_, start_, Clock::now());
  }
  stage_.clear();
}

nlohmann::json process_memory() {
  static const std::map<std::string, std::string> wanted{
      {"VmHWM:", "peak_rss"}, {"RssAnon:", "anonymous"}, {"RssFile:", "file_mapped"}};
  nlohmann::json memory = nlohmann::json::object();
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    uint64_t kib = 0;
    if (words >> name >> kib; wanted.contains(name)) memory[wanted.at(name)] = kib * 1024;
  }
  return memory;
}

namespace {

constexpr auto kBetweenLooks = std::chrono::milliseconds(20);

/// What this process has read from disk so far.
uint64_t disk_bytes() {
  std::ifstream file("/proc/self/io");
  std::string name;
  for (uint64_t value = 0; file >> name >> value;) {
    if (name == "read_bytes:") return value;
  }
  return 0;
}

}  // namespace

struct MemoryWatch::Looking {
  std::mutex mutex;
  std::condition_variable_any ended;
  uint64_t anonymous = 0, file_mapped = 0, both = 0, disk_before = disk_bytes();
  std::jthread thread;  // last: it ends before the rest goes

  void look() {
    const nlohmann::json now = process_memory();
    const uint64_t a = now.value("anonymous", uint64_t{0});
    const uint64_t f = now.value("file_mapped", uint64_t{0});
    const std::lock_guard lock(mutex);
    anonymous = std::max(anonymous, a);
    file_mapped = std::max(file_mapped, f);
    both = std::max(both, a + f);
  }
};

MemoryWatch::MemoryWatch() : looking_(std::make_unique<Looking>()) {
  looking_->look();
  looking_->thread = std::jthread([&looking = *looking_](const std::stop_token& stop) {
    std::mutex unused;
    std::unique_lock lock(unused);
    while (!looking.ended.wait_for(lock, stop, kBetweenLooks, [] { return false; }) &&
           !stop.stop_requested()) {
      looking.look();
    }
  });
}

MemoryWatch::~MemoryWatch() = default;

nlohmann::json MemoryWatch::peaks() const {
  looking_->look();
  const std::lock_guard lock(looking_->mutex);
  return {{"peak_anonymous", looking_->anonymous},
          {"peak_file_mapped", looking_->file_mapped},
          {"peak_both", looking_->both},
          {"disk_bytes", disk_bytes() - looking_->disk_before}};
}

}  // namespace gesso::runtime
