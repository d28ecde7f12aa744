// A plugin whose functions do what a test wants, a host that counts, and the checks between them.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/check/check.hpp"
#include "gesso/cpp/tensor.hpp"
#include "gesso/gesso.h"

namespace gesso::test {

/// What the plugin does; nothing said: OK and nothing done. One at a time.
struct Toy {
  Toy() { now = this; }
  ~Toy() { now = nullptr; }
  static inline Toy* now = nullptr;

  const gesso_host_t* host = nullptr;  // as the plugin was given it
  gesso_weights_t* weights = nullptr;
  int destroyed = 0;
  std::function<gesso_status_t(const gesso_call_t*)> on_prepare;
  std::function<gesso_status_t(const gesso_call_t*, const gesso_run_t*)> on_run;
  std::function<void(gesso_estimate_t*)> on_estimate;
  std::function<void(gesso_eval_t*)> on_evals;
  std::function<void(gesso_error_t*)> on_encode;
  std::function<gesso_status_t(const gesso_injector_t*)> on_at;
  std::function<void()> on_tape_release;

  const gesso_weights_service_t& weights_service() const {
    return *static_cast<const gesso_weights_service_t*>(host->get_service(host, GESSO_WEIGHTS_ID));
  }
  static gesso_component_t* create(const gesso_host_t* host);
};

/// A component of the toy under watch, its host, and what was told.
class Bench {
 public:
  Bench();
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  gesso_status_t prepare();
  gesso_status_t run(const gesso_sink_t* sink = nullptr);
  void destroy();
  /// The one thing that was told has all these words.
  void told_only(const std::vector<std::string>& words);
  std::vector<std::string> told;  // of GESSO_LOG_ERROR

  template <class Table>
  const Table& interface(const char* id) {
    return *static_cast<const Table*>(component->get_interface(component->self, id));
  }

  Toy toy;
  std::shared_ptr<checking::Watcher> watcher;
  gesso_component_t* component = nullptr;
  ErrorText text;
  gesso_call_t call{};
  bool is_cancelled = false;
  int entered = 0, logged = 0;
  gesso_bundle_t inputs{sizeof(gesso_bundle_t), 0, nullptr};

 private:
  gesso_host_t host_{};
  bool is_destroyed_ = false;
};

}  // namespace gesso::test
