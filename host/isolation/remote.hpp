// What stubs and services know of the other side.
#pragma once

#include <functional>
#include <vector>

#include "isolation/session.hpp"
#include "isolation/structs.hpp"

namespace gesso::isolation {

/// The other side, as a stub sees it.
class Remote {
 public:
  virtual ~Remote() = default;
  /// Ready for a call. @param under_way  the request; null: the method takes none. @throws Error
  virtual Session& session(const gesso_call_t* under_way) = 0;
  /// Sends and waits. @throws Error  when the other process has ended, or does not answer
  virtual Answer ask(Writer& call, const gesso_call_t* under_way) = 0;
  virtual void tell(Writer& notice) = 0;
  /// An answer was not what the method promises. @throws Error
  [[noreturn]] virtual void damaged(const Error& error) { throw Error(error); }
  /// What a call that cannot fail has to say of its failure.
  virtual void log_failure(const Error& error) = 0;
  virtual TensorSource& source() = 0;
  virtual Pool& pool() = 0;  // lives as long as this
  /// Of the other process: what was handed out by an earlier one means nothing to it.
  virtual uint64_t epoch() const { return 0; }
  /// Of a latent of the codec that the other side is.
  virtual uint32_t channels() { return 0; }
  /// In the child: the weights of a unit.
  virtual void read_view(Reader&, uint32_t unit, gesso_unit_view_t&) { static_cast<void>(unit); }
};

/// Whom a stub asks, by its first argument.
inline Remote& remote_of(void* self) { return *static_cast<Remote*>(self); }
// In the child, which has one host.
Remote& remote_of(gesso_weights_t* weights);
Remote& remote_of(const gesso_host_t* host);
Remote& remote_of(const gesso_call_t* call);

/// In the host: the weights of a unit, for the child.
class ViewWriter {
 public:
  virtual ~ViewWriter() = default;
  /// @param files  gets what goes along with the reply; they stay open until the next call of this
  virtual void write(Writer& out, uint32_t unit, const gesso_unit_view_t& view,
                     std::vector<int>& files) = 0;
};

/// Copies of what another source finds.
class CopyingSource : public TensorSource {
 public:
  explicit CopyingSource(TensorSource& from) : from_(from) {}
  Tensor tensor(const TensorField& field) override {
    const Tensor found = from_.tensor(field);
    Tensor copy = Tensor::empty(field.dtype, field.shape);
    if (field.bytes > 0) std::memcpy(copy.dl().data, found.dl().data, field.bytes);
    return copy;
  }

 private:
  TensorSource& from_;
};

/// What a service needs besides the message.
struct Served {
  void* self;  // first argument of the real function
  TensorSource& source;
  Session& session;
  /// The request under way as the real function sees it; its error is set by the service.
  std::function<gesso_call_t(uint32_t flags, uint32_t thread_limit)> make_call;
  ViewWriter* views = nullptr;
  Pool* kept = nullptr;      // lives as long as the component
  std::vector<int> files{};  // that go along with the reply
};

}  // namespace gesso::isolation
