#include "runtime/parts.hpp"

#include <fmt/format.h>

namespace gesso::runtime {

Parts::Parts(const config::PipelinePlan& plan, const Watch& watch, const SimSettings& sim)
    : plan_(plan), devices_(sim) {
  const Attached attached(messages_, watch);
  for (const config::ComponentPlan& component : plan.components) {
    if (watch.cancelled()) throw Error(Status::Cancelled, "cancelled while loading");
    Event event;
    event.type = Event::Step;
    event.stage = "load";
    event.text = component.info->id;
    event.step = instances_.size() + 1;
    event.total = plan.components.size();
    watch.event(event);
    instances_.push_back(make(component));
  }
}

std::unique_ptr<Instance> Parts::make(const config::ComponentPlan& plan) const {
  return std::make_unique<Instance>(plan_, plan, *this, messages_, devices_, clock_);
}

Instance* Parts::find(const std::string& role) const {
  for (const auto& instance : instances_) {
    if (instance->role() == role) return instance.get();
  }
  return nullptr;
}

std::string Parts::roles() const {
  std::string text;
  for (const auto& instance : instances_) text += (text.empty() ? "" : ", ") + instance->role();
  return text;
}

Instance& Parts::get(const std::string& role) const {
  Instance* found = find(role);
  if (found) return *found;
  throw Error(Status::NotFound, fmt::format("{}: no component fills the role \"{}\"; there are {}",
                                            plan_.name, role, roles()));
}

}  // namespace gesso::runtime
