#include "cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <string_view>

#include <nlohmann/json.hpp>

namespace gesso::cli {
namespace {

constexpr int kBarWidth = 30;

/// "1:05" for 65 seconds; "" when it is not known.
std::string time_left(double seconds) {
  if (seconds < 0) return {};
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  return fmt::format("  {}:{:02} left", whole / 60, whole % 60);
}

const char* name_of(int32_t type) {
  switch (type) {
    case GESSO_EVENT_STAGE:
      return "stage";
    case GESSO_EVENT_STEP:
      return "step";
    case GESSO_EVENT_PREVIEW:
      return "preview";
    case GESSO_EVENT_IMAGE:
      return "image";
    case GESSO_EVENT_WARNING:
      return "warning";
    case GESSO_EVENT_INFO:
      return "info";
    case GESSO_EVENT_END:
      return "end";
    default:
      return "event";
  }
}

/// Numbers of a training step, as an object.
bool is_metric(const gesso_event_t& event) {
  return event.type == GESSO_EVENT_INFO && event.stage == std::string_view("metric");
}

nlohmann::json to_json(const gesso_event_t& event) {
  if (is_metric(event)) {
    nlohmann::json json = nlohmann::json::parse(event.text);
    json["event"] = "metric";
    return json;
  }
  nlohmann::json json{{"event", name_of(event.type)}};
  if (*event.stage) json["stage"] = event.stage;
  if (*event.text) json["text"] = event.text;
  if (event.total > 0) json.update({{"step", event.step}, {"total", event.total}});
  if (event.seconds_left >= 0) json["seconds_left"] = event.seconds_left;
  if (event.type == GESSO_EVENT_END) json["status"] = event.status;
  return json;
}

void print_line(const gesso_event_t& event) {
  const std::string what = *event.text ? fmt::format(" {}", event.text) : "";
  if (event.type == GESSO_EVENT_STAGE) fmt::print(stderr, "{}\n", event.stage);
  if (event.type == GESSO_EVENT_STEP) {
    fmt::print(stderr, "{} {}/{}{}{}\n", event.stage, event.step, event.total, what,
               time_left(event.seconds_left));
  }
}

}  // namespace

ProgressStyle default_style() {
  return isatty(STDERR_FILENO) ? ProgressStyle::Bar : ProgressStyle::Lines;
}

ProgressStyle chosen_style(bool json, bool quiet) {
  if (json) return ProgressStyle::Json;
  return quiet ? ProgressStyle::Quiet : default_style();
}

void Progress::show(const gesso_event_t& event) {
  const std::lock_guard lock(mutex_);
  if (style_ == ProgressStyle::Json) {
    fmt::print("{}\n", to_json(event).dump());
    std::fflush(stdout);
    return;
  }
  if (style_ == ProgressStyle::Quiet || is_metric(event)) return;
  if (event.type == GESSO_EVENT_WARNING)
    return print_remark(fmt::format("warning: {}", event.text));
  if (event.type == GESSO_EVENT_INFO) return print_remark(event.text);
  if (style_ == ProgressStyle::Bar) show_bar(event);
  if (style_ == ProgressStyle::Lines) print_line(event);
}

void Progress::show_bar(const gesso_event_t& event) {
  if (event.type == GESSO_EVENT_END) return clear_bar();
  if (event.type != GESSO_EVENT_STAGE && event.type != GESSO_EVENT_STEP) return;
  const uint64_t total = event.total > 0 ? event.total : 1;
  const int filled = static_cast<int>(kBarWidth * event.step / total);
  clear_bar();
  fmt::print(stderr, "{:<8} [{:<{}}]", event.stage, std::string(filled, '='), kBarWidth);
  if (event.type == GESSO_EVENT_STEP) {
    const std::string what = *event.text ? fmt::format(" {}", event.text) : "";
    fmt::print(stderr, " {}/{}{}{}", event.step, event.total, what, time_left(event.seconds_left));
  }
  std::fflush(stderr);
  bar_drawn_ = true;
}

void Progress::remark(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (style_ == ProgressStyle::Bar || style_ == ProgressStyle::Lines) print_remark(text);
}

void Progress::print_remark(const std::string& text) {
  clear_bar();
  fmt::print(stderr, "{}\n", text);
}

void Progress::clear_bar() {
  if (bar_drawn_) fmt::print(stderr, "\r\033[K");
  bar_drawn_ = false;
}

}  // namespace gesso::cli
