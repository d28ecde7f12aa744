// Calls over a channel, in both directions: whoever waits for a reply answers calls meanwhile.
#pragma once

#include <functional>
#include <string>

#include "isolation/archive.hpp"
#include "isolation/channel.hpp"

namespace gesso::isolation {

/// Tensors that go through the sender's shared memory.
class SharedTarget : public TensorTarget {
 public:
  explicit SharedTarget(SharedMemory& memory) : memory_(memory) {}
  void place(const DLTensor& tensor, TensorField& field) override;

 private:
  SharedMemory& memory_;
};

/// A message that was received and checked, with everything that its fields point to.
struct Answer {
  Received received;
  Message message;
};

class Session {
 public:
  /// @param out  shared memory that this side writes, `in` that it reads
  Session(Descriptor socket, SharedMemory out, SharedMemory in)
      : channel_(std::move(socket)), out_(std::move(out)), in_(std::move(in)), target_(out_) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Answers a call, or hears a notice, of the other side.
  std::function<void(Answer&)> serve = [](Answer&) {};
  /// Called now and then while a reply is waited for; may throw.
  std::function<void()> idle;

  Writer call(uint32_t method) { return Writer(Kind::Call, method, target_); }
  Writer notice(uint32_t method) { return Writer(Kind::Notice, method, target_); }
  Writer reply() { return Writer(Kind::Reply, 0, target_); }

  /// @throws Closed
  void send(Writer& writer, std::span<const int> files = {}) {
    channel_.send(writer.builder().bytes(), files, idle);
  }
  /// Sends a call and waits for its reply. @throws Closed; Error BadData
  Answer exchange(Writer& call);
  /// Serves until the other side closes.
  void serve_all();

  SharedMemory& out() { return out_; }
  SharedMemory& in() { return in_; }
  Channel& channel() { return channel_; }
  TensorTarget& target() { return target_; }

 private:
  Answer receive();

  Channel channel_;
  SharedMemory out_, in_;
  SharedTarget target_;
};

}  // namespace gesso::isolation
