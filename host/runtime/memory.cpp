#include "runtime/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "runtime/report.hpp"

namespace gesso::runtime {
namespace {

uint64_t bytes_of_gib(const nlohmann::json& table, const char* key) {
  return static_cast<uint64_t>(table.value(key, 0.0) * (1 << 30));
}

/// Element type of a storage name; nothing for "file" and "compute".
std::optional<weights::DType> storage_type(const std::string& name) {
  static const std::map<std::string, weights::DType> types{
      {"bf16", weights::DType::BF16},        {"bfloat16", weights::DType::BF16},
      {"f32", weights::DType::F32},          {"float32", weights::DType::F32},
      {"fp8_e4m3", weights::DType::F8_E4M3}, {"float8_e4m3fn", weights::DType::F8_E4M3},
      {"fp8_e5m2", weights::DType::F8_E5M2}, {"float8_e5m2", weights::DType::F8_E5M2}};
  if (name == "file" || name == "compute") return std::nullopt;
  const auto found = types.find(name);
  if (found != types.end()) return found->second;
  throw Error(Status::NotSupported,
              fmt::format("there is no storage \"{}\"; expected \"file\", \"compute\", \"bf16\", "
                          "\"f32\", \"fp8_e4m3\" or \"fp8_e5m2\"",
                          name));
}

/// How often a step of the denoising loop uses the units of a component.
uint64_t uses_per_step(const Instance& instance) {
  const std::string& kind = instance.plan().info->kind;
  return kind == "denoiser" || kind == "controller" ? 1 : 0;
}

void send(const Parts& parts, int32_t level, const std::string& text) {
  parts.messages().log(level, text);
}

}  // namespace

PolicyRef policy_ref(const Instance& policy) {
  return {&policy.interface<gesso_memory_policy_t>(GESSO_MEMORY_POLICY_ID), policy.self(),
          policy.plan().info->id};
}

std::vector<ResidentUnit> resident_units(const Parts& parts) {
  std::vector<ResidentUnit> units;
  for (const auto& instance : parts.all()) {
    if (!instance->weights()) continue;
    for (const gesso_unit_info_t& info : instance->weights()->unit_infos()) {
      units.push_back({instance->weights(), info.order, info.component, info.role, info.unit,
                       info.stored_bytes, info.compute_bytes, uses_per_step(*instance)});
    }
  }
  return units;
}

SimSettings sim_settings(const config::PipelinePlan& plan) {
  return {bytes_of_gib(plan.memory, "sim_capacity"),
          plan.memory.value("sim_bandwidth", 0.0) * (1 << 30)};
}

uint64_t memory_limit(const config::PipelinePlan& plan) {
  return bytes_of_gib(plan.memory, "vram_limit");
}

std::map<std::string, DeviceAccount> device_accounts(const config::PipelinePlan& plan,
                                                     uint64_t limit) {
  std::set<std::string> names{plan.memory.value("computation_device", "cpu")};
  for (const config::ComponentPlan& component : plan.components) {
    if (component.memory.contains("computation_device")) {
      names.insert(component.memory["computation_device"].get<std::string>());
    }
  }
  std::map<std::string, DeviceAccount> accounts;
  for (const std::string& name : names) {
    DeviceAccount& account = accounts[name];
    account.limit = limit;
    if (name != "cpu" || account.limit == 0) continue;
    const nlohmann::json now = process_memory();
    account.baseline = now.value("anonymous", uint64_t{0}) + now.value("file_mapped", uint64_t{0});
  }
  return accounts;
}

Place understand(const gesso_place_t& place, Devices& devices) {
  if (!place.device || !place.storage) {
    throw Error(Status::Internal, "a place without a device or a storage");
  }
  Place made{place.device, place.storage, nullptr, std::nullopt};
  if (made.storage == "disk") made.device = "disk";
  if (is_nowhere(made.device)) return made;
  made.dtype = storage_type(made.storage);
  made.memory = &devices.get(made.device);
  return made;
}

Memory::Memory(const config::PipelinePlan& plan, const Parts& parts)
    : parts_(parts), policy_(parts.get("memory_policy").plan().info->id) {
  Residency::Settings settings;
  settings.place = [&parts](const gesso_place_t& place) {
    return understand(place, parts.devices());
  };
  settings.log = [&parts](int32_t level, const std::string& text) { send(parts, level, text); };
  settings.accounts = device_accounts(plan, memory_limit(plan));
  if (memory_limit(plan) > 0) settings.live = [this] { return meter_ ? meter_->live() : 0; };
  settings.moved = [this](const ResidentUnit& unit, const std::string& from, const std::string& to,
                          uint64_t bytes, Clock::time_point begin) {
    if (!timeline_.on()) return;
    timeline_.add(Timeline::kMoves, fmt::format("{}.{}", unit.role, unit.name), begin, Clock::now(),
                  {{"from", from}, {"to", to}, {"bytes", bytes}});
  };
  Watch listening;
  listening.event = [this](const Event& event) { remarks_.push_back(event); };
  const Attached attached(parts.messages(), listening);
  const CallScope call(listening);
  residency_ = std::make_unique<Residency>(policy_ref(parts.get("memory_policy")),
                                           resident_units(parts), std::move(settings), call.get());
  size_t first = 0;
  for (const auto& instance : parts.all()) {
    if (!instance->weights()) continue;
    const std::string device = residency_->computation_device(instance->role());
    if (!device.empty() && parts.devices().get(device).dl().device_type != kDLCPU) {
      throw Error(Status::NotSupported,
                  fmt::format("{}: modules of this host compute on the CPU; \"{}\" can hold their "
                              "weights, but not compute",
                              instance->plan().where, device));
    }
    instance->weights()->watch(residency_.get(), first, &loader_, &timeline_);
    first += instance->weights()->unit_infos().size();
  }
}

Memory::~Memory() {
  for (const auto& instance : parts_.all()) {
    if (instance->weights()) instance->weights()->watch(nullptr, 0, nullptr, nullptr);
  }
}

void Memory::begin(const Watch& watch) {
  for (const Event& remark : std::exchange(remarks_, {})) watch.event(remark);
  for (const auto& instance : parts_.all()) {
    if (instance->weights()) instance->weights()->check_files();
  }
  residency_->reset_counts();
}

nlohmann::json Memory::report() const {
  nlohmann::json devices = nlohmann::json::object(), moved = nlohmann::json::object();
  for (const auto& [name, account] : residency_->accounts()) {
    devices[name] = {{"limit", account.limit},
                     {"peak", account.peak},
                     {"baseline", account.baseline},
                     {"weights", account.weights},
                     {"bytes_in", account.bytes_in}};
  }
  uint64_t bytes_moved = 0, bytes_read = 0;
  for (size_t i = 0; i < residency_->units().size(); ++i) {
    const MoveCount& count = residency_->counts()[i];
    bytes_moved += count.bytes;
    bytes_read += count.read;
    if (count.moves == 0) continue;
    nlohmann::json& role = moved[residency_->units()[i].role];
    if (role.is_null()) role = {{"units", 0}, {"moves", 0}, {"bytes", 0}, {"most", 0}};
    role["units"] = role["units"].get<uint64_t>() + 1;
    role["moves"] = role["moves"].get<uint64_t>() + count.moves;
    role["bytes"] = role["bytes"].get<uint64_t>() + count.bytes;
    role["most"] = std::max(role["most"].get<uint64_t>(), count.moves);
  }
  return {{"policy", policy_},        {"devices", devices},
          {"moved", moved},           {"bytes_moved", bytes_moved},
          {"bytes_read", bytes_read}, {"refused_moves", residency_->refused()}};
}

}  // namespace gesso::runtime
