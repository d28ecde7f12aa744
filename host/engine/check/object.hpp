// What the checks know: who is watched, and which of the things that went over the boundary live.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/check/fence.hpp"
#include "engine/check/rules.hpp"

namespace gesso::checking {

struct Component;

/// What was checked for one engine, and who hears of it. Thread-safe.
class Watcher {
 public:
  using Tell = std::function<void(int32_t level, const std::string& text)>;
  /// `tell` gets GESSO_LOG_ERROR for each broken rule, once for each text. Empty: stderr.
  explicit Watcher(Tell tell);

  void problem(const std::string& text);
  void remark(const std::string& text);
  void add(Component& component);
  void count_call() { ++calls_; }
  uint64_t calls() const { return calls_; }
  uint64_t problems() const { return problems_; }
  /// Tells what was made and never ended, and with GESSO_LOG_INFO how much was checked. What comes
  /// later goes to stderr.
  void finish();

 private:
  void tell(int32_t level, const std::string& text);

  std::atomic<uint64_t> calls_ = 0, problems_ = 0;
  std::mutex mutex_;  // of what follows
  Tell tell_;
  std::set<std::string> told_;
  std::vector<Component*> components_;
};

/// Something that functions are called on: the first argument of a call.
struct Object {
  explicit Object(Component& owner) : owner(owner) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
  /// What is wrong with a call now; "": nothing.
  virtual std::string broken(When when) const = 0;

  Component& owner;  // whose plugin made it, or was given it
  std::atomic<bool> ended = false;
  std::atomic<bool> busy = false;       // a call that is [instance] runs
  std::atomic<std::thread::id> user{};  // on this thread
};

/// A struct of the ABI that stands for another one, `real`; whoever holds the table holds this.
template <class Table>
struct Handle : Object {
  Handle(Component& owner, const Table& from, std::string misuse)
      : Object(owner), table(copy_of(from)), real(&from), misuse(std::move(misuse)) {}
  std::string broken(When) const override { return ended ? misuse : ""; }
  Table table;
  const Table* real;
  std::string misuse;  // what to say of a use after the end
};

/// What plugins and host hold of ours, by address. Thread-safe.
class Known {
 public:
  static Known& all();
  void add(const void* address, Object& object);
  /// Null when it is none of ours.
  Object* find(const void* address) const;
  template <class T>
  T* find(const void* address) const {
    return dynamic_cast<T*>(find(address));
  }
  /// Keeps an object that ended for a while, so that a late use is told and not a crash.
  void retire(const void* address, std::unique_ptr<Object> object);

 private:
  static constexpr size_t kRetired = 4096;
  mutable std::mutex mutex_;
  std::unordered_map<const void*, Object*> objects_;
  std::vector<std::pair<const void*, std::unique_ptr<Object>>> retired_{kRetired};
  size_t next_ = 0;
};

}  // namespace gesso::checking
