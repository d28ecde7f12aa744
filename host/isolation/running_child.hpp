// A child process with everything that the host needs to speak to it.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <memory>

#include "gesso/cpp/error.hpp"
#include "isolation/process.hpp"
#include "isolation/proxy.hpp"
#include "isolation/session.hpp"

namespace gesso::isolation {

/// Copies tensors of the child: it could write to them while they are read.
class Copies : public TensorSource {
 public:
  explicit Copies(const SharedMemory& memory) : memory_(memory) {}
  Tensor tensor(const TensorField& field) override {
    if (field.where != Where::Shared)
      throw Error(Status::BadData, "a result that is not in shared memory");
    Tensor copy = Tensor::empty(field.dtype, field.shape);
    if (field.bytes > 0) std::memcpy(copy.dl().data, memory_.at(field.place), field.bytes);
    return copy;
  }

 private:
  const SharedMemory& memory_;
};

/// A child that runs, with what speaks to it.
struct Child {
  Process process;
  Session session;
  Copies copies{session.in()};

  Child(const Options& options, Descriptor ours, const Descriptor& theirs, SharedMemory out,
        SharedMemory in)
      : process(options.program, {theirs.get(), out.descriptor(), in.descriptor()},
                options.environment),
        session(std::move(ours), std::move(out), std::move(in)) {}

  /// @throws Error  when it cannot be started
  static std::unique_ptr<Child> start(const Options& options) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      throw Error(Status::Internal, "no socket could be opened");
    Descriptor ours(ends[0]);
    const Descriptor theirs(ends[1]);
    SharedMemory out = SharedMemory::create("gesso-to-plugin"),
                 in = SharedMemory::create("gesso-from-plugin");
    out.take(SharedMemory::kAlignment);  // the flag of `cancelled`
    return std::make_unique<Child>(options, std::move(ours), theirs, std::move(out), std::move(in));
  }
  void set_cancelled(bool cancelled) {
    auto* flag = reinterpret_cast<uint32_t*>(session.out().at(0));
    std::atomic_ref<uint32_t>(*flag).store(cancelled, std::memory_order_relaxed);
  }
};

}  // namespace gesso::isolation
