#include "runtime/residency.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gesso/cpp/error.hpp"
#include "gesso/cpp/host.hpp"

namespace gesso::runtime {
namespace {

constexpr int32_t kStates = 4;
constexpr const char* kStateName[] = {"offload", "onload", "preparing", "computation"};

double gib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

}  // namespace

Residency::Residency(PolicyRef policy, std::vector<ResidentUnit> units, Settings settings,
                     const gesso_call_t* call)
    : policy_(std::move(policy)),
      units_(std::move(units)),
      settings_(std::move(settings)),
      seats_(units_.size()),
      counts_(units_.size()),
      moves_(std::max<size_t>(64, 2 * units_.size())) {
  for (const auto& [name, account] : settings_.accounts) {
    budgets_.push_back({sizeof(gesso_budget_t), 0, name.c_str(), 0, 0, 0});
  }
  for (const gesso_budget_t& budget : budgets_) budget_list_.push_back(&budget);
  plan(call);
}

void Residency::plan(const gesso_call_t* call) {
  std::vector<gesso_unit_info_t> infos;
  for (size_t i = 0; i < units_.size(); ++i) {
    const ResidentUnit& unit = units_[i];
    infos.push_back({sizeof(gesso_unit_info_t), static_cast<uint32_t>(i), unit.component.c_str(),
                     unit.role.c_str(), unit.name.c_str(), unit.stored_bytes, unit.compute_bytes,
                     unit.uses_per_step});
  }
  std::vector<const gesso_unit_info_t*> list;
  for (const auto& info : infos) list.push_back(&info);
  for (gesso_budget_t& budget : budgets_) {
    const DeviceAccount& account = settings_.accounts.at(budget.device);
    budget.limit = account.limit;
    budget.used = account.used();
    budget.reserved_bytes = account.activations + account.baseline;
  }
  std::vector<gesso_unit_plan_t> plans(units_.size());
  check_call(policy_.table->plan(policy_.self, call, list.data(),
                                 static_cast<uint32_t>(list.size()), budget_list_.data(),
                                 static_cast<uint32_t>(budget_list_.size()), plans.data()),
             call);
  for (size_t i = 0; i < units_.size(); ++i) {
    for (int32_t state = 0; state < kStates; ++state) {
      try {
        gesso_place_t& wanted = plans[i].state[state];
        const bool is_ready = wanted.storage && wanted.storage == std::string_view("compute");
        const bool narrow = is_ready && units_[i].store->is_narrow(units_[i].index);
        if (narrow && state != GESSO_PLACE_COMPUTATION) wanted.storage = "file";
        seats_[i].places[state] = settings_.place(wanted);
      } catch (const Error& error) {
        throw Error(error.status(),
                    fmt::format("{} places {} for \"{}\" where it cannot be: {}", policy_.id,
                                name_of(i), kStateName[state], error.what()));
      }
    }
    if (!seats_[i].computation().memory) {
      throw Error(Status::Internal,
                  fmt::format("{} leaves {} on \"{}\" while it is computed with; expected a device "
                              "that computes",
                              policy_.id, name_of(i), seats_[i].computation().device));
    }
    settings_.accounts.try_emplace(seats_[i].computation().device);
    const bool from_disk = std::any_of(std::begin(seats_[i].places), std::end(seats_[i].places),
                                       [](const Place& place) { return place.device == "disk"; });
    units_[i].store->set_reads_file(units_[i].index, from_disk);
  }
}

std::string Residency::name_of(size_t unit) const {
  return fmt::format("unit \"{}\" of {}", units_[unit].name, units_[unit].component);
}

bool Residency::ignores(int32_t event) const { return policy_.table->ignores >> event & 1u; }

/// Tells the policy, and makes the moves that it answers with.
void Residency::tell(gesso_memory_event_t event) {
  if (ignores(event.type)) return;
  for (gesso_budget_t& budget : budgets_) {
    const DeviceAccount& account = settings_.accounts.at(budget.device);
    budget.used = account.used();
    budget.reserved_bytes = account.activations + account.baseline;
  }
  event.struct_size = sizeof event;
  event.budgets = budget_list_.data();
  event.n_budgets = budget_list_.size();
  if (!event.role) event.role = "";
  if (!event.device) event.device = "";
  const uint32_t count = policy_.table->on_event(policy_.self, &event, moves_.data(),
                                                 static_cast<uint32_t>(moves_.size()));
  if (count > moves_.size()) {
    throw Error(Status::Internal, fmt::format("{} answers with {} moves, where {} are allowed",
                                              policy_.id, count, moves_.size()));
  }
  const std::vector<gesso_move_t> answer(moves_.begin(), moves_.begin() + count);
  moving_ahead_ = event.type == GESSO_MEMORY_PREFETCH;
  for (const gesso_move_t& move : answer) apply(move);
  moving_ahead_ = false;
}

void Residency::apply(const gesso_move_t& move) {
  if (move.unit >= units_.size() || move.state < 0 || move.state >= kStates) {
    throw Error(
        Status::Internal,
        fmt::format("{} moves unit {} to state {}; there are {} units and the states 0 to 3",
                    policy_.id, move.unit, move.state, units_.size()));
  }
  if (seats_[move.unit].in_use) {
    ++refused_;
    settings_.log(GESSO_LOG_WARNING, fmt::format("{} moves {} while it is in use; refused",
                                                 policy_.id, name_of(move.unit)));
    return;
  }
  seats_[move.unit].wish = move.state;
  change(move.unit, move.state, moving_ahead_);
}

void Residency::let_go(size_t unit) {
  Seat& seat = seats_[unit];
  if (seat.charged_use > 0) {
    discharge(seat.computation().device, std::exchange(seat.charged_use, 0));
    units_[unit].store->hide(units_[unit].index);
  }
  seat.ready = false;
  if (!seat.held) return;
  const auto begin = std::chrono::steady_clock::now();
  units_[unit].store->release(units_[unit].index);
  if (settings_.moved) settings_.moved(units_[unit], seat.now().device, "", seat.charged, begin);
  discharge(seat.now().device, std::exchange(seat.charged, 0));
  seat.held = false;
}

/// Brings a unit to a state. A move that a device has no room for is not made: the unit stays, and
/// its next use finds room or fails.
void Residency::change(size_t unit, int32_t state, bool ahead) {
  Seat& seat = seats_[unit];
  UnitStore& store = *units_[unit].store;
  const size_t index = units_[unit].index;
  const Place& to = seat.places[state];
  if (!to.memory) {
    let_go(unit);
    seat.state = state;
    return;
  }
  if (seat.held && seat.now() == to) {
    seat.state = state;
    return;
  }
  const uint64_t bytes = store.bytes(index, to);
  if (!fits(to.device, bytes)) {
    settings_.log(GESSO_LOG_DEBUG,
                  fmt::format("{}: no room on {} for {}", policy_.id, to.device, name_of(unit)));
    return;
  }
  const uint64_t read = seat.held ? 0 : store.read_bytes(index, to);
  const Place from = seat.now();
  charge(to.device, bytes);
  const auto begin = std::chrono::steady_clock::now();
  try {
    store.hold(index, to, ahead);
  } catch (...) {
    discharge(to.device, bytes);
    if (seat.held) discharge(from.device, std::exchange(seat.charged, 0));
    seat.held = seat.ready = false;
    seat.state = GESSO_PLACE_OFFLOAD;
    throw;
  }
  if (seat.held) discharge(from.device, seat.charged);
  const bool copied = seat.held || read > 0;
  counts_[unit].moves += copied;
  counts_[unit].bytes += copied ? bytes : 0;
  counts_[unit].read += read;
  if (copied) settings_.accounts[to.device].bytes_in += bytes;
  if (copied && settings_.moved) {
    settings_.moved(units_[unit], seat.held ? from.device : "", to.device, bytes, begin);
  }
  seat.charged = bytes;
  seat.held = true;
  seat.ready = false;
  seat.state = state;
}

bool Residency::fits(const std::string& device, uint64_t bytes) const {
  const auto found = settings_.accounts.find(device);
  return found == settings_.accounts.end() || found->second.limit == 0 ||
         found->second.used() + bytes <= found->second.limit;
}

void Residency::charge(const std::string& device, uint64_t bytes) {
  DeviceAccount& account = settings_.accounts[device];
  account.weights += bytes;
  account.peak = std::max(account.peak, account.used());
}

void Residency::discharge(const std::string& device, uint64_t bytes) {
  settings_.accounts[device].weights -= bytes;
}

void Residency::make_room(const std::string& device, uint64_t bytes, const std::string& what) {
  while (!fits(device, bytes)) {
    const DeviceAccount before = settings_.accounts.at(device);
    gesso_memory_event_t event{};
    event.type = GESSO_MEMORY_PRESSURE;
    event.device = device.c_str();
    event.bytes_needed = before.used() + bytes - before.limit;
    tell(event);
    if (settings_.accounts.at(device).used() < before.used()) continue;
    throw Error(
        Status::OutOfMemory,
        fmt::format(
            "{} needs {:.2f} GiB on {}, of whose limit of {:.2f} GiB {:.2f} GiB are in use, "
            "and {} frees no more; {:.2f} GiB would do",
            what, gib(bytes), device, gib(before.limit), gib(before.used()), policy_.id,
            gib(before.used() + bytes)));
  }
}

/// Activations that outgrow their estimate count as what they are.
void Residency::meet_activations(const std::string& device) {
  if (!settings_.live) return;
  DeviceAccount& account = settings_.accounts[device];
  const uint64_t live = settings_.live();
  if (live <= account.activations) return;
  account.activations = live;
  account.peak = std::max(account.peak, account.used());
  make_room(device, 0, "activations");
}

void Residency::enter_phase(const std::string& role) {
  for (auto& [name, account] : settings_.accounts) account.activations = 0;
  gesso_memory_event_t event{};
  event.type = GESSO_MEMORY_PHASE;
  event.role = role.c_str();
  tell(event);
}

std::string Residency::computation_device(const std::string& role) const {
  for (size_t i = 0; i < units_.size(); ++i) {
    if (units_[i].role == role) return seats_[i].computation().device;
  }
  return "";
}

void Residency::reserve(const std::string& role, uint64_t bytes, const std::string& what) {
  const std::string device = computation_device(role);
  if (device.empty()) return;
  DeviceAccount& account = settings_.accounts[device];
  account.activations = 0;
  make_room(device, bytes, what);
  account.activations = bytes;
  account.peak = std::max(account.peak, account.used());
}

/// Makes a unit ready to compute with, from what is held or by a copy for this use.
void Residency::show(size_t unit) {
  Seat& seat = seats_[unit];
  UnitStore& store = *units_[unit].store;
  const size_t index = units_[unit].index;
  const Place& computation = seat.computation();
  const bool direct = seat.held && store.computes_from(index, seat.now(), computation);
  const uint64_t copy = direct ? 0 : store.bytes(index, computation);
  const uint64_t bytes = copy + store.copy_bytes(index);
  if (bytes != seat.charged_use) {
    if (seat.charged_use > 0) discharge(computation.device, std::exchange(seat.charged_use, 0));
    seat.in_use = true;  // what is held is the source
    try {
      make_room(computation.device, bytes, name_of(unit));
    } catch (...) {
      seat.in_use = false;
      throw;
    }
    charge(computation.device, bytes);
    seat.charged_use = bytes;
  }
  if (!direct) {
    const uint64_t read = seat.held ? 0 : store.read_bytes(index, computation);
    counts_[unit].moves += 1;
    counts_[unit].bytes += copy;
    counts_[unit].read += read;
    settings_.accounts[computation.device].bytes_in += copy;
  }
  const auto begin = std::chrono::steady_clock::now();
  store.show(index, computation);
  seat.ready = direct;
  if (!direct && settings_.moved) {
    settings_.moved(units_[unit], seat.held ? seat.now().device : "", computation.device, copy,
                    begin);
  }
}

void Residency::enter(size_t unit) {
  Seat& seat = seats_[unit];
  UnitStore& store = *units_[unit].store;
  const bool quiet = ignores(GESSO_MEMORY_ENTER);
  if (quiet && seat.ready && store.copy_bytes(units_[unit].index) == seat.charged_use) {
    seat.in_use = true;
    store.show(units_[unit].index, seat.computation());
    return;
  }
  meet_activations(seat.computation().device);
  if (!quiet) {
    gesso_memory_event_t event{};
    event.type = GESSO_MEMORY_ENTER;
    event.unit = static_cast<uint32_t>(unit);
    event.role = units_[unit].role.c_str();
    tell(event);
  }
  try {
    if (seat.state != seat.wish || !seat.held) change(unit, seat.wish, false);
    show(unit);
  } catch (...) {
    let_go(unit);
    seat.in_use = false;
    seat.state = GESSO_PLACE_OFFLOAD;
    throw;
  }
  seat.in_use = true;
}

void Residency::leave(size_t unit) {
  Seat& seat = seats_[unit];
  seat.in_use = false;
  if (!seat.ready) {  // a copy for this use
    units_[unit].store->hide(units_[unit].index);
    discharge(seat.computation().device, std::exchange(seat.charged_use, 0));
  }
  if (ignores(GESSO_MEMORY_LEAVE)) return;
  gesso_memory_event_t event{};
  event.type = GESSO_MEMORY_LEAVE;
  event.unit = static_cast<uint32_t>(unit);
  event.role = units_[unit].role.c_str();
  tell(event);
}

void Residency::prefetch(size_t unit) {
  if (seats_[unit].ready || seats_[unit].in_use) return;
  gesso_memory_event_t event{};
  event.type = GESSO_MEMORY_PREFETCH;
  event.unit = static_cast<uint32_t>(unit);
  event.role = units_[unit].role.c_str();
  tell(event);
}

void Residency::release_all() {
  for (size_t i = 0; i < units_.size(); ++i) {
    let_go(i);
    seats_[i].state = GESSO_PLACE_OFFLOAD;
  }
}

void Residency::reset_counts() {
  counts_.assign(units_.size(), {});
  refused_ = 0;
  for (auto& [name, account] : settings_.accounts) {
    account.peak = account.used();
    account.bytes_in = 0;
  }
}

}  // namespace gesso::runtime
