// A component under trial, with the host that it sees: made, prepared with its sample, destroyed.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/registry/registry.hpp"
#include "gesso/cpp/host.hpp"
#include "validate/sample.hpp"
#include "validate/stand_ins.hpp"
#include "validate/weights_side.hpp"

namespace gesso::validate {

/// The struct of one request, with room for an error's text.
class Trial {
 public:
  Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  gesso_call_t* get() { return &call_; }
  std::string text() const { return text_.error.length ? text_.text() : std::string(); }
  std::atomic<bool> cancel = false;
  uint64_t polled = 0;

 private:
  ErrorText text_;
  gesso_call_t call_;
};

struct SubjectOptions {
  bool without_weights = false;
  bool without_services = false;
  std::string hidden_weight = {};  // that the file seems not to have
  std::string wrong_value = {};    // a parameter that gets a value of another type
  bool without_siblings = false;
};

class Subject {
 public:
  /// Creates. @throws Failure  when `create` fails or gives a broken table
  Subject(const gesso_plugin_t& plugin, const registry::ComponentInfo& info, const Sample& sample,
          const SubjectOptions& options = {});
  ~Subject();
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  /// The status, and the text of a failure.
  gesso_status_t prepare(std::string* text = nullptr);
  /// @throws Failure  when it cannot be prepared
  Subject& ready();
  void destroy();  // now

  gesso_component_t* component() const { return component_; }
  void* self() const { return component_->self; }
  const registry::ComponentInfo& info() const { return info_; }
  const Sample& sample() const { return sample_; }
  gesso_weights* weights() const { return weights_.get(); }
  std::vector<std::string>& log() { return log_; }

  template <class Table>
  const Table* find(const char* id) const {
    return static_cast<const Table*>(component_->get_interface(component_->self, id));
  }

 private:
  static const Subject& of(const gesso_host_t* host);
  static void GESSO_CALL keep_log(const gesso_host_t*, int32_t, const char*);
  static const void* GESSO_CALL get_service(const gesso_host_t*, const char*);
  static gesso_status_t GESSO_CALL find_sibling(const gesso_host_t*, const char*,
                                                gesso_component_t**, gesso_error_t*);

  const registry::ComponentInfo& info_;
  const Sample& sample_;
  SubjectOptions options_;
  gesso_host_t host_{};
  std::vector<std::string> log_;
  mutable StandIns stand_ins_;
  std::unique_ptr<gesso_weights> weights_;
  gesso_component_t* component_ = nullptr;
};

/// The files of a sample under the names of the component's pattern; null without files.
std::shared_ptr<const weights::MappedWeights> open_weights(const registry::ComponentInfo& info,
                                                           const Sample& sample);

}  // namespace gesso::validate
