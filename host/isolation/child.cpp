// gesso-plugin-host: one component of one plugin, in a process of its own. It is started by
// isolation/proxy.cpp with a socket at descriptor 3 and shared memory at 4 and 5, loads the library
// it is told, and serves the component's tables until the host closes the socket.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "engine/registry/loader.hpp"
#include "isolation/child_memory.hpp"
#include "isolation/tables.hpp"

namespace gesso::isolation {
namespace {

constexpr auto kGrace = std::chrono::seconds(5);

/// The host, as this process sees it.
class Host : public Remote {
 public:
  explicit Host(Session& session) : session_(session), memory_(session.in()) {}

  Session& session(const gesso_call_t*) override { return session_; }
  Answer ask(Writer& call, const gesso_call_t*) override {
    try {
      Answer answer = session_.exchange(call);
      memory_.receive(std::move(answer.received.files));
      return answer;
    } catch (const Closed&) {
      ::_exit(0);  // nobody is left to work for
    }
  }
  void tell(Writer& notice) override {
    try {
      session_.send(notice);
    } catch (const Closed&) {
      ::_exit(0);
    }
  }
  void log_failure(const Error&) override {}
  TensorSource& source() override { return memory_; }
  Pool& pool() override { return pool_; }
  void read_view(Reader& in, uint32_t unit, gesso_unit_view_t& view) override {
    memory_.read_view(in, unit, view);
  }
  ChildMemory& memory() { return memory_; }

  /// The host sets it while a call is under way.
  bool cancelled() const {
    auto* flag = reinterpret_cast<uint32_t*>(session_.in().at(0));
    return std::atomic_ref<uint32_t>(*flag).load(std::memory_order_relaxed) != 0;
  }

 private:
  Session& session_;
  ChildMemory memory_;
  Pool pool_;
};

Host* the_host = nullptr;

const gesso_weights_service_t& weights_service() {
  static const gesso_weights_service_t table = [] {
    gesso_weights_service_t t{};
    t.struct_size = sizeof t;
    each_method<gesso_weights_service_t>(
        [&]<size_t I, class M>() { t.*M::member = stub<gesso_weights_service_t, I>; });
    return t;
  }();
  return table;
}

const gesso_host_t& host_table() {
  static const gesso_host_t table{
      sizeof(gesso_host_t),
      GESSO_ABI_MINOR,
      nullptr,
      "gesso",
      GESSO_VERSION,
      stub<gesso_host_t>,
      [](const gesso_host_t*, const char* id) -> const void* {
        return std::string_view(id ? id : "") == GESSO_WEIGHTS_ID ? &weights_service() : nullptr;
      }};
  return table;
}

gesso_call_t make_call(uint32_t flags, uint32_t thread_limit) {
  gesso_call_t call{};
  call.struct_size = sizeof call;
  call.flags = flags;
  call.device = {kDLCPU, 0};
  call.thread_limit = thread_limit;
  call.cancelled = [](const gesso_call_t*) -> int32_t { return the_host->cancelled(); };
  call.progress = stub<gesso_call_t>;
  return call;
}

/// The component that is served.
class Component {
 public:
  explicit Component(Session& session) : session_(session) {}
  ~Component() {
    if (component_) component_->destroy(component_->self);
  }

  void serve(const Message& message) {
    if (message.method == kOpen) return open(message);
    Served served{component_ ? component_->self : nullptr, the_host->memory(), session_, make_call};
    served.kept = &kept_;
    bool found = serve_table(component_, message, served);
    each_interface([&]<class Table>() {
      if (!found && component_) found = serve_table(interface<Table>(), message, served);
    });
    if (!found && message.kind == Kind::Call) fail(Status::NotSupported, "no such function");
  }

 private:
  template <class Table>
  const Table* interface() const {
    return static_cast<const Table*>(
        component_->get_interface(component_->self, Described<Table>::id));
  }
  void fail(Status status, const char* text) {
    Writer out = session_.reply();
    out(static_cast<int64_t>(status));
    out(text);
    session_.send(out);
  }

  void open(const Message& message) {
    ErrorText text;
    Writer out = session_.reply();
    const gesso_status_t status = guard(&text.error, [&] {
      Pool pool;
      Reader in(message, pool, the_host->memory());
      const char *library = "", *sha256 = "", *id = "";
      in(library);
      in(sha256);
      in(id);
      in.end();
      create(library, sha256, id);
      out(int64_t{GESSO_STATUS_OK});
      fields(out, const_cast<gesso_component_desc_t&>(*component_->desc));
      each_interface([&]<class Table>() {
        const Table* table = interface<Table>();
        out(table != nullptr);
        if (table) write_table(out, *table);
      });
    });
    if (status != GESSO_STATUS_OK) return fail(static_cast<Status>(status), text.text().c_str());
    session_.send(out);
  }

  void create(const std::string& library, const std::string& sha256, const std::string& id) {
    const gesso_plugin_t& plugin = registry::load_plugin(library, sha256, &host_table());
    ErrorText text;
    check(plugin.create(&plugin, &host_table(), id.c_str(), &component_, &text.error), text,
          "create \"" + id + "\"");
    if (!component_ || !component_->prepare || !component_->get_interface || !component_->destroy ||
        !component_->desc)
      throw Error(Status::Internal, "create \"" + id + "\" gave no whole component");
  }

  Session& session_;
  Pool kept_;
  gesso_component_t* component_ = nullptr;
};

/// Ends this process when the host has ended while the plugin computes.
void watch(int socket) {
  std::thread([socket] {
    pollfd end{socket, POLLRDHUP, 0};
    while (::poll(&end, 1, -1) <= 0) {
    }
    std::this_thread::sleep_for(kGrace);
    ::_exit(0);
  }).detach();
}

SharedMemory shared(int number) {
  ::fcntl(number, F_SETFD, FD_CLOEXEC);
  return SharedMemory(Descriptor(number));
}

[[noreturn]] void run() {
  ::fcntl(3, F_SETFD, FD_CLOEXEC);
  // The host's outgoing memory is what we read.
  SharedMemory in = shared(4), out = shared(5);
  Session session(Descriptor(3), std::move(out), std::move(in));
  Host host(session);
  the_host = &host;
  // The weights are the host's: the handle only has to be something.
  host.memory().set_weights(reinterpret_cast<gesso_weights_t*>(&host));
  watch(3);
  {
    Component component(session);
    session.serve = [&](Answer& call) { component.serve(call.message); };
    session.serve_all();
  }
  ::_exit(0);  // nothing else is left to do, and libraries may not like to be taken down
}

}  // namespace

Remote& remote_of(gesso_weights_t*) { return *the_host; }
Remote& remote_of(const gesso_host_t*) { return *the_host; }
Remote& remote_of(const gesso_call_t*) { return *the_host; }

}  // namespace gesso::isolation

int main() {
  try {
    gesso::isolation::run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gesso-plugin-host: %s\n", error.what());
    return 1;
  }
}
