#include "runtime/adapters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/config/adapters.hpp"
#include "gesso/cpp/torch.hpp"
#include "runtime/delta_reader.hpp"

namespace gesso::runtime {
namespace {

using Side = config::AdapterPlan::Side;

constexpr size_t kMostItems = 64;  // bits of a mask

const char* name_of(Side side) {
  return side == Side::Both ? "both" : side == Side::Positive ? "positive" : "negative";
}

uint64_t mask_of(Side side, size_t positive, size_t negative) {
  const auto low_bits = [](size_t n) {
    return n >= kMostItems ? ~uint64_t{0} : (uint64_t{1} << n) - 1;
  };
  const uint64_t first = low_bits(positive), all = low_bits(positive + negative);
  return side == Side::Both ? ~uint64_t{0} : side == Side::Positive ? first : all & ~first;
}

void check_scale(const std::string& name, double scale) {
  if (std::isfinite(scale)) return;
  throw Error(
      Status::InvalidArgument,
      fmt::format("adapter \"{}\": scale: expected a finite number, found {}", name, scale));
}

gesso_weights& weights_of(const Parts& parts, const std::string& role) {
  gesso_weights* weights = parts.get(role).weights();
  if (weights) return *weights;
  throw Error(Status::NotFound, fmt::format("role \"{}\": {} has no weights that an adapter could "
                                            "update",
                                            role, parts.get(role).plan().info->id));
}

}  // namespace

struct Adapters::Adapter {
  std::string name, role, file, source_id;
  double scale = 1;
  Side side = Side::Both;
  bool fuse = false;
  ReadAdapter read;

  WeightDelta scaled(const WeightDelta& delta) const {
    WeightDelta made = delta;
    made.scale *= scale;
    made.fuse = fuse;
    return made;
  }
};

Adapters::Adapters(const Parts& parts) : parts_(parts) {}
Adapters::~Adapters() = default;

Adapters::Adapter& Adapters::get(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& adapter : adapters_) {
    if (adapter->name == name) return *adapter;
    names.push_back(adapter->name);
  }
  throw Error(Status::NotFound,
              names.empty()
                  ? fmt::format("no adapter \"{}\"; none is loaded", name)
                  : fmt::format("no adapter \"{}\"; there are {}", name, fmt::join(names, ", ")));
}

void Adapters::insert(std::unique_ptr<Adapter> adapter) {
  const std::string role = adapter->role;
  adapters_.push_back(std::move(adapter));
  apply(role);
}

void Adapters::add(const config::AdapterPlan& plan, const CallScope& call) {
  check_scale(plan.name, plan.scale);
  const bool taken = std::any_of(adapters_.begin(), adapters_.end(),
                                 [&](const auto& a) { return a->name == plan.name; });
  if (taken) {
    throw Error(Status::InvalidArgument,
                fmt::format("adapter \"{}\": the name is taken; give another one", plan.name));
  }
  const gesso_weights& weights = weights_of(parts_, plan.role);
  auto adapter = std::make_unique<Adapter>();
  adapter->read = read_adapter(parts_, plan, weights.targets(),
                               torch::scalar_type(dl_type(weights.compute_type())), call);
  const std::string remark = config::tell_unmatched(plan, parts_.get(plan.role).plan().info->id,
                                                    adapter->read.keys, adapter->read.unmatched);
  if (!remark.empty()) parts_.messages().log(GESSO_LOG_WARNING, remark);
  adapter->name = plan.name;
  adapter->role = plan.role;
  adapter->file = plan.files.empty() ? "" : plan.files.front().string();
  adapter->source_id = plan.source->id;
  adapter->scale = plan.scale;
  adapter->side = plan.side;
  adapter->fuse = plan.mode == config::AdapterPlan::Mode::Fuse;
  insert(std::move(adapter));
}

void Adapters::add_generated(const std::string& name, const std::string& role,
                             const std::vector<std::string>& targets,
                             const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b,
                             Side side) {
  std::map<std::string, size_t> places;
  const gesso_weights& weights = weights_of(parts_, role);
  for (const DeltaTarget& target : weights.targets()) places.emplace(target.name, places.size());
  const at::ScalarType type = torch::scalar_type(dl_type(weights.compute_type()));

  auto adapter = std::make_unique<Adapter>();
  adapter->name = name;
  adapter->role = role;
  adapter->source_id = "generated";
  adapter->side = side;
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto found = places.find(targets[i]);
    if (found == places.end()) {
      throw Error(Status::Incompatible,
                  fmt::format("{}: {} has no weight \"{}\"; is the generator of another model?",
                              name, parts_.get(role).plan().info->id, targets[i]));
    }
    WeightDelta delta;
    delta.a = a.at(i).to(type);
    delta.b = b.at(i).to(type);
    adapter->read.deltas.push_back({found->second, std::move(delta)});
  }
  adapter->read.keys = 2 * targets.size();
  std::erase_if(adapters_, [&](const auto& old) { return old->name == name; });
  insert(std::move(adapter));
}

void Adapters::set_scale(const std::string& name, double scale) {
  Adapter& adapter = get(name);
  check_scale(name, scale);
  adapter.scale = scale;
  apply(adapter.role);
}

void Adapters::remove(const std::string& name) {
  const std::string role = get(name).role;
  std::erase_if(adapters_, [&](const auto& adapter) { return adapter->name == name; });
  apply(role);
}

/// Hands all updates of a component over anew, in the order of the adapters. Updates that cannot be
/// restricted to items are left out when their side has no items.
void Adapters::apply(const std::string& role) {
  gesso_weights& weights = weights_of(parts_, role);
  std::map<size_t, std::vector<WeightDelta>> by_target;
  for (const auto& adapter : adapters_) {
    if (adapter->role != role) continue;
    const uint64_t items = mask_of(adapter->side, positive_, negative_);
    for (const ReadDelta& one : adapter->read.deltas) {
      WeightDelta delta = adapter->scaled(one.delta);
      auto& list = by_target[one.target];
      if (weights.takes_items(one.target, delta)) {
        delta.items = items;
      } else if (items == 0) {
        continue;
      }
      list.push_back(std::move(delta));
    }
  }
  const size_t count = weights.targets().size();
  for (size_t i = 0; i < count; ++i) weights.set_deltas(i, std::move(by_target[i]));
}

void Adapters::arrange(size_t positive, size_t negative) {
  if (positive == positive_ && negative == negative_) return;
  if (positive + negative > kMostItems && sides_differ()) {
    throw Error(Status::InvalidArgument,
                fmt::format("{} items in one run: adapters that act on one side take {} at most",
                            positive + negative, kMostItems));
  }
  positive_ = positive;
  negative_ = negative;
  std::set<std::string> roles;
  for (const auto& adapter : adapters_) {
    if (adapter->side != Side::Both) roles.insert(adapter->role);
  }
  for (const std::string& role : roles) apply(role);
}

bool Adapters::sides_differ() const {
  return std::any_of(adapters_.begin(), adapters_.end(),
                     [](const auto& adapter) { return adapter->side != Side::Both; });
}

bool Adapters::per_item() const {
  for (const auto& adapter : adapters_) {
    if (adapter->side == Side::Both) continue;
    const gesso_weights& weights = weights_of(parts_, adapter->role);
    for (const ReadDelta& one : adapter->read.deltas) {
      if (!weights.takes_items(one.target, adapter->scaled(one.delta))) return false;
    }
  }
  return true;
}

nlohmann::json Adapters::describe() const {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& adapter : adapters_) {
    std::set<int64_t> ranks;
    std::set<size_t> targets;
    for (const ReadDelta& one : adapter->read.deltas) {
      targets.insert(one.target);
      if (one.delta.a.defined()) ranks.insert(one.delta.a.size(0));
    }
    list.push_back({{"name", adapter->name},
                    {"role", adapter->role},
                    {"file", adapter->file},
                    {"source", adapter->source_id},
                    {"scale", adapter->scale},
                    {"side", name_of(adapter->side)},
                    {"mode", adapter->fuse ? "fuse" : "runtime"},
                    {"keys", adapter->read.keys},
                    {"unmatched", adapter->read.unmatched.size()},
                    {"targets", targets.size()},
                    {"ranks", ranks}});
  }
  return list;
}

}  // namespace gesso::runtime
