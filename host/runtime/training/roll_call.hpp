// Who of the workers still lives, and what the run ends with: kept in the store where they met.
//
// Each worker gives a sign of life twice a second. A run has one verdict: the first worker that
// fails writes its error, or, if it ended without a word, the first that misses it.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/launch.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::runtime {

class RollCall {
 public:
  /// Waits until all workers are there. @param store  of this run alone
  /// @throws Error  Denied naming the workers that did not come
  RollCall(c10::intrusive_ptr<c10d::Store> store, const base::Launch& launch);
  /// Leaves. Whoever keeps the store waits until the others have left, some seconds at most.
  ~RollCall();
  RollCall(const RollCall&) = delete;
  RollCall& operator=(const RollCall&) = delete;

  /// "worker 1 (host, process 4242)"
  const std::string& name_of(uint32_t rank) const { return names_.at(rank); }

  /// Makes `error` of this worker the verdict if there is none. @return the verdict
  Error end_with(const Error& error);
  /// Something between workers failed: finds out why. Takes seconds.
  Error find_cause(const std::string& symptom);
  /// The verdict if there is one; or of a worker that gave no sign for a minute since the first
  /// call of a row of calls some seconds apart.
  std::optional<Error> look();
  /// Ends such a row.
  void stop_looking() { last_seen_.clear(); }

 private:
  void wait_for_others();
  std::vector<int64_t> signs();
  std::optional<Error> verdict();
  /// The verdict, or a new one of a worker that gives no sign for so long.
  std::optional<Error> missed(std::chrono::milliseconds silence);
  Error decide(uint32_t rank, const Error& error);
  Error store_lost() const;

  c10::intrusive_ptr<c10d::Store> store_, signs_store_;
  base::Launch launch_;
  std::vector<std::string> names_;
  std::vector<int64_t> last_seen_;
  int looks_ = 0;
  std::mutex mutex_;
  std::condition_variable over_;
  bool leaving_ = false;
  std::thread thread_;  // gives signs of life
};

}  // namespace gesso::runtime
