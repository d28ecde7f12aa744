// One end of the socket between host and child: whole messages, with files that go along.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <vector>

#include "isolation/message.hpp"
#include "isolation/shared_memory.hpp"

namespace gesso::isolation {

/// The other side has closed its end, or died.
struct Closed {};

struct Received {
  std::vector<std::byte> bytes;  // header and fields
  std::vector<Descriptor> files;
};

class Channel {
 public:
  explicit Channel(Descriptor socket) : socket_(std::move(socket)) {}

  /// [thread-safe] `idle` is called now and then while the other side does not read; it may throw.
  /// @param files  to go along, 16 at most
  /// @throws Closed
  void send(std::span<const std::byte> message, std::span<const int> files = {},
            const std::function<void()>& idle = {});
  /// The next message; `idle` is called now and then until it is whole, and may throw.
  /// @throws Closed
  /// @throws Error  BadData for a header that cannot be
  Received receive(const std::function<void()>& idle = {});
  /// No more messages from here: the other side sees the end.
  void close_sending();
  int descriptor() const { return socket_.get(); }

 private:
  void wait(short event, const std::function<void()>& idle);
  void read(std::span<std::byte> out, std::vector<Descriptor>* files,
            const std::function<void()>& idle);

  Descriptor socket_;
  std::chrono::steady_clock::time_point idled_{};
  std::mutex sending_;
};

inline constexpr size_t kMostFiles = 16;  // of a message

}  // namespace gesso::isolation
