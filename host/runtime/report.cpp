#include "runtime/report.hpp"

#include <fstream>
#include <map>
#include <sstream>

namespace gesso::runtime {

void Report::begin(const std::string& stage) {
  end();
  stage_ = stage;
  start_ = Clock::now();
  Event event;
  event.type = Event::Stage;
  event.stage = stage;
  watch_.event(event);
}

void Report::end() {
  if (!stage_.empty()) {
    json["stages"][stage_] = json["stages"].value(stage_, 0.0) + seconds_since(start_);
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

}  // namespace gesso::runtime
