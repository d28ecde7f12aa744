#include "runtime/forecast.hpp"

#include <algorithm>

namespace gesso::runtime {
namespace {

/// A store's sizes; nothing is moved.
class SizesOf : public UnitStore {
 public:
  explicit SizesOf(const UnitStore& store) : store_(store) {}
  void set_reads_file(size_t, bool) override {}
  uint64_t bytes(size_t unit, const Place& place) const override {
    return store_.bytes(unit, place);
  }
  uint64_t copy_bytes(size_t unit) const override { return store_.copy_bytes(unit); }
  bool computes_from(size_t unit, const Place& held, const Place& computation) const override {
    return store_.computes_from(unit, held, computation);
  }
  uint64_t read_bytes(size_t unit, const Place& place) const override {
    return store_.read_bytes(unit, place);
  }
  void hold(size_t, const Place&, bool) override {}
  void release(size_t) override {}
  void show(size_t, const Place&) override {}
  void hide(size_t) override {}

 private:
  const UnitStore& store_;
};

/// Goes through the units as the modules do: in order, the next one announced.
void pass(Residency& residency, const std::vector<size_t>& units) {
  for (size_t i = 0; i < units.size(); ++i) {
    if (i + 1 < units.size()) residency.prefetch(units[i + 1]);
    residency.enter(units[i]);
    residency.leave(units[i]);
  }
}

std::vector<size_t> units_of(const Residency& residency, const std::vector<std::string>& roles) {
  std::vector<size_t> list;
  for (const std::string& role : roles) {
    for (size_t i = 0; i < residency.units().size(); ++i) {
      if (residency.units()[i].role == role) list.push_back(i);
    }
  }
  return list;
}

}  // namespace

Forecaster::Forecaster(const config::PipelinePlan& plan, const Parts& parts,
                       std::vector<StageNeed> stages)
    : plan_(plan), parts_(parts), stages_(std::move(stages)) {}

Forecast Forecaster::run(uint64_t limit) const {
  Messages quiet;
  const Instance policy(plan_, parts_.get("memory_policy").plan(), parts_, quiet, parts_.devices(),
                        parts_.clock());
  std::vector<ResidentUnit> units = resident_units(parts_);
  std::vector<std::unique_ptr<SizesOf>> sizes;
  for (ResidentUnit& unit : units) {
    sizes.push_back(std::make_unique<SizesOf>(*unit.store));
    unit.store = sizes.back().get();
  }
  Residency::Settings settings;
  settings.place = [this](const gesso_place_t& place) {
    return understand(place, parts_.devices());
  };
  settings.log = [](int32_t, const std::string&) {};
  settings.accounts = device_accounts(plan_, limit);

  Forecast made{limit, "", {}};
  const Watch nobody;
  const CallScope call(nobody);
  try {
    Residency residency(policy_ref(policy), std::move(units), std::move(settings), call.get());
    for (const StageNeed& need : stages_) {
      residency.reset_counts();
      StageForecast stage{need, "", 0, 0, 0, 0};
      if (!need.roles.empty()) stage.device = residency.computation_device(need.roles.front());
      residency.enter_phase(need.phase);
      if (!need.roles.empty()) residency.reserve(need.roles.front(), need.activations, need.name);
      const std::vector<size_t> used = units_of(residency, need.roles);
      for (uint64_t i = 0; i < need.repeats; ++i) pass(residency, used);
      for (const size_t unit : used) stage.weights += residency.units()[unit].compute_bytes;
      for (const MoveCount& count : residency.counts()) {
        stage.moved += count.bytes;
        stage.read += count.read;
      }
      if (!stage.device.empty()) stage.peak = residency.accounts().at(stage.device).peak;
      made.stages.push_back(std::move(stage));
    }
    residency.enter_phase("");
  } catch (const Error& error) {
    const std::string stage =
        made.stages.size() < stages_.size() ? stages_[made.stages.size()].name + ": " : "";
    made.problem = stage + error.what();
  }
  return made;
}

uint64_t Forecaster::smallest_limit() const {
  constexpr uint64_t kStep = 1 << 20, kMost = uint64_t{1} << 50;
  uint64_t enough = kStep;
  while (enough < kMost && !run(enough).problem.empty()) enough *= 2;
  uint64_t little = enough / 2;
  while (enough - little > kStep) {
    const uint64_t middle = (little + (enough - little) / 2) / kStep * kStep;
    if (middle == little) break;
    (run(middle).problem.empty() ? enough : little) = middle;
  }
  return enough;
}

nlohmann::json forecast_json(const Forecast& forecast, double flops_per_second,
                             double bytes_per_second) {
  nlohmann::json stages = nlohmann::json::array();
  double total = 0;
  for (const StageForecast& stage : forecast.stages) {
    const double computing = static_cast<double>(stage.need.flops) / flops_per_second;
    const double reading =
        static_cast<double>(std::max(stage.read, stage.moved)) / bytes_per_second;
    const double seconds = std::max(computing, reading);  // one beside the other
    total += seconds;
    stages.push_back({{"stage", stage.need.name},
                      {"roles", stage.need.roles},
                      {"device", stage.device},
                      {"weights", stage.weights},
                      {"activations", stage.need.activations},
                      {"peak", stage.peak},
                      {"moved", stage.moved},
                      {"read", stage.read},
                      {"flops", stage.need.flops},
                      {"seconds", seconds}});
  }
  return {{"limit", forecast.limit},
          {"fits", forecast.problem.empty()},
          {"problem", forecast.problem},
          {"seconds", total},
          {"stages", stages}};
}

}  // namespace gesso::runtime
