#include "runtime/training/roll_call.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include <nlohmann/json.hpp>

namespace gesso::runtime {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr auto kBetweenSigns = 500ms;
constexpr auto kSilence = 5s;       // after a failure: who gives no sign for so long is gone
constexpr auto kShortSilence = 2s;  // when asked to end
constexpr int kSilentLooks = 12;    // without a failure; looks are about 5 seconds apart
constexpr auto kMeeting = 300s;     // for all to come
constexpr auto kLastToLeave = 15s;  // that the others may take

constexpr const char* kVerdict = "verdict";
constexpr const char* kLeft = "left";

std::string name_key(uint32_t rank) { return fmt::format("name/{}", rank); }
std::string sign_key(uint32_t rank) { return fmt::format("sign/{}", rank); }

std::string own_name(uint32_t rank) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return fmt::format("worker {} ({}, process {})", rank, host.data(), getpid());
}

Error lost() {
  return Error(Status::Denied,
               "lost: it gives no sign of life any more. Was it killed, was its memory used up, or "
               "is its machine gone? --resume goes on from the last state");
}

}  // namespace

RollCall::RollCall(c10::intrusive_ptr<c10d::Store> store, const base::Launch& launch)
    : store_(std::move(store)), signs_store_(store_->clone()), launch_(launch) {
  store_->set(name_key(launch.rank), own_name(launch.rank));
  std::string missing;
  for (uint32_t rank = 0; rank < launch.count; ++rank) {
    try {
      store_->wait({name_key(rank)}, missing.empty() ? kMeeting : 1s);
      names_.push_back(store_->get_to_str(name_key(rank)));
    } catch (const std::exception&) {
      missing += fmt::format(" {}", rank);
    }
  }
  if (!missing.empty()) {
    throw Error(Status::Denied,
                fmt::format("of {} workers these did not come to {}:{} within {} s:{}. Were they "
                            "started, with the same MASTER_ADDR, MASTER_PORT and WORLD_SIZE?",
                            launch.count, launch.address, launch.port, kMeeting.count(), missing));
  }
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!leaving_) {
      try {
        signs_store_->add(sign_key(launch_.rank), 1);
      } catch (const std::exception&) {
        return;  // the store is gone; whoever needs it will see
      }
      over_.wait_for(lock, kBetweenSigns);
    }
  });
}

RollCall::~RollCall() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  over_.notify_all();
  thread_.join();
  try {
    store_->add(kLeft, 1);
    const bool keeps_store = launch_.rank == 0 && !launch_.launcher_keeps_store;
    if (keeps_store) wait_for_others();
  } catch (const std::exception&) {
    // Nobody is left to be told.
  }
}

/// As long as some give signs of life and have not left.
void RollCall::wait_for_others() {
  auto next_look = Steady::now() + kShortSilence;
  const auto latest = Steady::now() + kLastToLeave;
  auto before = signs();
  while (store_->add(kLeft, 0) < launch_.count && Steady::now() < latest) {
    std::this_thread::sleep_for(50ms);
    if (Steady::now() < next_look) continue;
    auto now = signs();
    if (now == before) return;
    before = std::move(now);
    next_look += kShortSilence;
  }
}

std::vector<int64_t> RollCall::signs() {
  std::vector<int64_t> counts;
  for (uint32_t rank = 0; rank < launch_.count; ++rank) {
    counts.push_back(store_->add(sign_key(rank), 0));
  }
  return counts;
}

std::optional<Error> RollCall::verdict() {
  if (!store_->check({kVerdict})) return std::nullopt;
  const auto told = nlohmann::json::parse(store_->get_to_str(kVerdict));
  return Error(static_cast<Status>(told.at("status").get<gesso_status_t>()),
               told.at("rank") == launch_.rank ? told.at("text").get<std::string>()
                                               : fmt::format("{}: {}", names_.at(told.at("rank")),
                                                             told.at("text").get<std::string>()));
}

Error RollCall::decide(uint32_t rank, const Error& error) {
  const nlohmann::json told = {{"rank", rank},
                               {"status", static_cast<gesso_status_t>(error.status())},
                               {"text", error.what()}};
  store_->compareSet(kVerdict, "", told.dump());
  return verdict().value_or(error);
}

Error RollCall::end_with(const Error& error) {
  try {
    // A launcher stops everybody when one worker is gone: that one is the news.
    if (error.status() == Status::Cancelled) {
      if (const auto cause = missed(kShortSilence)) return *cause;
    }
    return decide(launch_.rank, error);
  } catch (const std::exception&) {
    return error;
  }
}

Error RollCall::store_lost() const {
  if (launch_.launcher_keeps_store) {
    return Error(Status::Denied, fmt::format("the launcher at {}:{} is gone, and with it the "
                                             "place where workers meet",
                                             launch_.address, launch_.port));
  }
  return Error(Status::Denied, fmt::format("{}: {}", names_.at(0), lost().what()));
}

std::optional<Error> RollCall::missed(std::chrono::milliseconds silence) {
  const auto before = signs();
  const auto until = Steady::now() + silence;
  while (Steady::now() < until) {
    if (auto told = verdict()) return told;
    std::this_thread::sleep_for(100ms);
  }
  const auto after = signs();
  for (uint32_t rank = 0; rank < launch_.count; ++rank) {
    if (after[rank] == before[rank] && rank != launch_.rank) return decide(rank, lost());
  }
  return std::nullopt;
}

Error RollCall::find_cause(const std::string& symptom) {
  try {
    if (const auto cause = missed(kSilence)) return *cause;
    return decide(launch_.rank,
                  Error(Status::Denied, fmt::format("workers lost their connection: {}", symptom)));
  } catch (const std::exception&) {
    return store_lost();
  }
}

std::optional<Error> RollCall::look() {
  try {
    if (auto told = verdict()) return told;
    const auto seen = signs();
    if (last_seen_.empty()) {
      last_seen_ = seen;
      looks_ = 0;
    }
    if (++looks_ < kSilentLooks) return std::nullopt;
    for (uint32_t rank = 0; rank < launch_.count; ++rank) {
      if (seen[rank] == last_seen_[rank] && rank != launch_.rank) return decide(rank, lost());
    }
    last_seen_.clear();
    return std::nullopt;
  } catch (const std::exception&) {
    return store_lost();
  }
}

}  // namespace gesso::runtime
