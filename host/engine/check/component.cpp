#include "engine/check/component.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gesso::checking {

std::string Lent::broken(When when) const {
  if (ended) return "used after the call returned that it was passed to";
  if (owner.ended) return "called after the component was destroyed";
  if (when == When::InCall && owner.running == 0)
    return "called outside of a call of the component";
  if (when == When::InPrepare && owner.state != Component::State::Preparing) {
    return "called outside of prepare";
  }
  return "";
}

Component::Component(std::shared_ptr<Watcher> watcher, std::string name, const gesso_host_t& from)
    : Object(*this),
      watcher(std::move(watcher)),
      name(std::move(name)),
      host(*this),
      weights(*this) {
  host.real = &from;
  Known::all().add(&host.table, host);
  Known::all().add(&weights, weights);
  Known::all().add(this, *this);
}

std::string Component::broken(When when) const {
  if (ended) return "called after destroy";
  const State now = state;
  if (when == When::Created && now != State::Created) return "called a second time";
  if (when == When::Ready && now != State::Ready) {
    return now == State::Failed ? "called after a prepare that failed"
                                : "called before prepare was done";
  }
  if (when == When::Last && running > 0) return "called while another call of the instance runs";
  return "";
}

void Component::tell(const Rule& rule, const std::string& text) const {
  watcher->problem(fmt::format("{}: {}.{}: {} {}", name, rule.table, rule.name, text, rule.mark));
}

void Component::tell_what_is_left() {
  if (!ended) watcher->problem(fmt::format("{}: created and never destroyed", name));
  if (given > 0) {
    watcher->problem(
        fmt::format("{}: {} of the tensors that it gave were never released", name, given.load()));
  }
}

void Component::open(const void* thing, const Rule& opener) {
  const std::lock_guard lock(mutex);
  opened_[thing] = &opener;
}

bool Component::close(const void* thing) {
  const std::lock_guard lock(mutex);
  return opened_.erase(thing) > 0;
}

bool Component::is_open(const void* thing) const {
  const std::lock_guard lock(mutex);
  return opened_.contains(thing);
}

void Component::keep(std::unique_ptr<Object> object) {
  const std::lock_guard lock(mutex);
  kept_.push_back(std::move(object));
}

void Component::enter(uint32_t unit) {
  const std::lock_guard lock(mutex);
  ++entered_[unit];
}

bool Component::leave(uint32_t unit) {
  const std::lock_guard lock(mutex);
  const auto found = entered_.find(unit);
  if (found == entered_.end()) return false;
  if (--found->second == 0) entered_.erase(found);
  return true;
}

std::string Component::units_left() const {
  const std::lock_guard lock(mutex);
  if (!opened_.empty() || entered_.empty()) return "";
  return fmt::format("unit {}", entered_.begin()->first);
}

std::string Component::things_left() const {
  const std::lock_guard lock(mutex);
  if (opened_.empty()) return "";
  const Rule& opener = *opened_.begin()->second;
  return fmt::format("{}.{} gave something that {} did not end ({} in all)", opener.table,
                     opener.name, opener.until, opened_.size());
}

Visit::Visit(Object& object, const Rule& rule, bool into_plugin)
    : object_(object), rule_(rule), into_plugin_(into_plugin) {
  component().watcher->count_call();
  if (const std::string why = object.broken(rule.when); !why.empty()) {
    refuse(why);
  } else if (rule.who == Who::Instance) {
    const bool is_busy = object.busy.exchange(true);
    is_user_ = !is_busy;
    if (is_busy) {
      refuse(object.user == std::this_thread::get_id()
                 ? "called again from inside of a call of the same object"
                 : "called while another thread is in a call of the same object");
    } else {
      object.user = std::this_thread::get_id();
    }
  }
  into_plugin_ = into_plugin_ && !is_refused();
  if (into_plugin_) ++component().running;
}

Visit::~Visit() {
  const bool is_idle = into_plugin_ && --component().running == 0;
  if (is_idle) {
    const std::string left = component().units_left();
    if (!left.empty()) tell(fmt::format("{} was entered and not left when it returned", left));
  }
  if (is_user_) object_.busy = false;
}

void Visit::refuse(const std::string& text) {
  refusal_ = text;
  tell(text);
}

}  // namespace gesso::checking
