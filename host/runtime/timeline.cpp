#include "runtime/timeline.hpp"

namespace gesso::runtime {
namespace {

using nlohmann::json;

constexpr const char* kCategory[] = {"", "stage", "compute", "move", "read"};
constexpr const char* kRowName[] = {"", "stages", "compute", "moves", "reading ahead"};

}  // namespace

void Timeline::start() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  start_ = Clock::now();
  on_ = true;
}

void Timeline::add(Row row, std::string name, Clock::time_point begin, Clock::time_point end,
                   json details) {
  if (!on_) return;
  const std::lock_guard lock(mutex_);
  entries_.push_back({row, std::move(name), begin, end, std::move(details)});
}

json Timeline::stop() {
  on_ = false;
  const std::lock_guard lock(mutex_);
  const auto microseconds = [](auto duration) {
    return std::chrono::duration<double, std::micro>(duration).count();
  };
  json events = json::array();
  for (int row = kStages; row <= kReading; ++row) {
    events.push_back({{"ph", "M"},
                      {"pid", 1},
                      {"tid", row},
                      {"name", "thread_name"},
                      {"args", {{"name", kRowName[row]}}}});
  }
  for (const Entry& entry : entries_) {
    json event = {{"ph", "X"},
                  {"pid", 1},
                  {"tid", static_cast<int>(entry.row)},
                  {"cat", kCategory[entry.row]},
                  {"name", entry.name},
                  {"ts", microseconds(entry.begin - start_)},
                  {"dur", microseconds(entry.end - entry.begin)}};
    if (!entry.details.is_null()) event["args"] = entry.details;
    events.push_back(std::move(event));
  }
  entries_.clear();
  return {{"traceEvents", events}, {"displayTimeUnit", "ms"}};
}

}  // namespace gesso::runtime
