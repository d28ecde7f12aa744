// What a user sees while a job runs.
#pragma once

#include <mutex>
#include <string>

#include "gesso/engine.h"

namespace gesso::cli {

enum class ProgressStyle {
  Quiet,  // nothing
  Bar,    // one line on stderr that is drawn again and again: for terminals
  Lines,  // a line per stage and step on stderr
  Json    // an object per event on stdout
};

/// Bar on a terminal, else lines.
ProgressStyle default_style();
/// By the flags of a command: --json wins over --quiet; neither: the default.
ProgressStyle chosen_style(bool json, bool quiet);

/// Draws events, from any thread.
class Progress {
 public:
  explicit Progress(ProgressStyle style) : style_(style) {}
  void show(const gesso_event_t& event);
  /// A line of its own on stderr; nothing where events are objects or nobody listens.
  void remark(const std::string& text);

 private:
  void show_bar(const gesso_event_t& event);
  void print_remark(const std::string& text);
  void clear_bar();

  std::mutex mutex_;
  ProgressStyle style_;
  bool bar_drawn_ = false;
};

}  // namespace gesso::cli
