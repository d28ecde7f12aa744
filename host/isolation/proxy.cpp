#include "isolation/proxy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <optional>

#include "gesso/cpp/value.hpp"
#include "isolation/running_child.hpp"
#include "isolation/tables.hpp"
#include "isolation/weights_server.hpp"

namespace gesso::isolation {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kGoodbyeSeconds = 2;  // for `destroy` in the child

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Proxy : public Remote {
 public:
  Proxy(Options options, const gesso_host_t* host)
      : options_(std::move(options)),
        host_(*host),
        weights_(static_cast<const gesso_weights_service_t*>(
            host->get_service(host, GESSO_WEIGHTS_ID))) {
    component_ = {sizeof component_, 0,      static_cast<Remote*>(this), &desc_, prepare,
                  get_interface,     destroy};
    start();
  }
  ~Proxy() override {
    if (dead_) return;
    child_->session.channel().close_sending();
    child_->process.end(kGoodbyeSeconds);
  }
  gesso_component_t* component() { return &component_; }

  Session& session(const gesso_call_t* under_way) override {
    if (dead_) restart(under_way);
    return child_->session;
  }
  Answer ask(Writer& call, const gesso_call_t* under_way) override;
  void tell(Writer& notice) override { child_->session.send(notice); }
  [[noreturn]] void damaged(const Error& error) override;
  void log_failure(const Error& error) override { log(GESSO_LOG_ERROR, error.what()); }
  TensorSource& source() override { return child_->copies; }
  Pool& pool() override { return pool_; }
  uint64_t epoch() const override { return epoch_; }
  uint32_t channels() override {
    const auto& codec = std::get<std::optional<gesso_codec_t>>(tables_);
    uint32_t channels = 0, pixels = 0;
    if (codec && codec->geometry) codec->geometry(component_.self, &channels, &pixels);
    return channels;
  }

 private:
  static Proxy& of(void* self) { return static_cast<Proxy&>(remote_of(self)); }
  static gesso_status_t GESSO_CALL prepare(void* self, const gesso_call_t* call,
                                           const gesso_setup_t* setup);
  static const void* GESSO_CALL get_interface(void* self, const char* id);
  static void GESSO_CALL destroy(void* self) { delete &of(self); }

  gesso_status_t ask_prepare(const gesso_call_t* call);
  void start();
  void restart(const gesso_call_t* under_way);
  void read_tables(Reader& in);
  void check_desc() const;
  void serve(const Message& message);
  /// Why a child has to be given up.
  struct GiveUp {
    std::string what;
    Status status;
  };
  [[noreturn]] void ended(double seconds, const GiveUp& why);
  void watch_over(const gesso_call_t* under_way, Clock::time_point start,
                  std::optional<Clock::time_point>& cancelled);
  void log(int32_t level, const std::string& text) const { host_.log(&host_, level, text.c_str()); }
  std::string who() const {
    return fmt::format("{} (in a process of its own, {})", options_.component,
                       options_.library.filename().string());
  }

  Options options_;
  const gesso_host_t& host_;
  WeightsServer weights_;
  Pool pool_;
  gesso_component_t component_{};
  gesso_component_desc_t desc_{};
  OptionalInterfaces tables_;
  std::unique_ptr<Child> child_;
  bool dead_ = true;
  uint64_t epoch_ = 0;  // children so far
  const gesso_call_t* under_way_ = nullptr;
  std::optional<gesso_setup_t> setup_;  // of `prepare`, kept for children to come
  Pool setup_pool_;
};

void Proxy::start() {
  child_ = Child::start(options_);
  dead_ = false;
  ++epoch_;
  weights_.begin_again();
  child_->session.serve = [this](Answer& call) { serve(call.message); };
  Writer call = child_->session.call(kOpen);
  call(options_.library.c_str());
  call(options_.sha256.c_str());
  call(options_.component.c_str());
  const Answer answer = ask(call, nullptr);
  Reader in(answer.message, pool_, source());
  check_status(in);
  read_tables(in);
  check_desc();
}

void Proxy::read_tables(Reader& in) {
  desc_.struct_size = sizeof desc_;
  fields(in, desc_);
  each_interface([&]<class Table>() {
    bool there = false;
    in(there);
    auto& table = std::get<std::optional<Table>>(tables_);
    if (!there) return table.reset();
    Table made{};
    read_table(in, made);
    if (!table) table = made;  // those of a later child are the same: the host may hold the first
  });
  in.end();
}

void Proxy::check_desc() const {
  std::vector<std::string> found, expected = options_.interfaces;
  for (const char* const* id = desc_.interfaces; id && *id; ++id) found.emplace_back(*id);
  std::ranges::sort(found);
  std::ranges::sort(expected);
  if (options_.component == desc_.id && options_.kind == desc_.kind && found == expected) return;
  throw Error(Status::Incompatible,
              fmt::format("plugin {}: the manifest says {}, a {} with [{}], the library {}, a {} "
                          "with [{}]; they are of different builds",
                          options_.library.string(), options_.component, options_.kind,
                          fmt::join(expected, ", "), desc_.id, desc_.kind, fmt::join(found, ", ")));
}

void Proxy::restart(const gesso_call_t* under_way) {
  log(GESSO_LOG_WARNING, fmt::format("{}: its process ended; another one is started", who()));
  start();
  if (!setup_) return;
  ErrorText text;
  gesso_call_t call{};
  if (under_way) call = *under_way;
  call.struct_size = sizeof call;
  call.error = &text.error;
  const gesso_status_t status = ask_prepare(&call);
  if (status == GESSO_STATUS_OK) return;
  dead_ = true;
  throw Error(static_cast<Status>(status),
              fmt::format("{}: prepared again after its process ended: {}", who(), text.text()));
}

gesso_status_t Proxy::ask_prepare(const gesso_call_t* call) {
  weights_.set_declaring(true);
  const gesso_status_t status = stub<gesso_component_t>(component_.self, call, &*setup_);
  weights_.set_declaring(false);
  return status;
}

gesso_status_t Proxy::prepare(void* self, const gesso_call_t* call, const gesso_setup_t* setup) {
  Proxy& proxy = of(self);
  const gesso_status_t kept = guard(call ? call->error : nullptr, [&] {
    // A copy by way of a message, as everything that is kept here.
    Writer out = proxy.session(call).call(0);
    fields(out, const_cast<gesso_setup_t&>(*setup));
    const Message message = parse(out.builder().bytes(), 0);
    struct NoTensors : TensorSource {
      gesso_weights_t* kept = nullptr;
      Tensor tensor(const TensorField&) override { return {}; }
      gesso_weights_t* weights() override { return kept; }
    } source;
    source.kept = setup->weights;
    Reader in(message, proxy.setup_pool_, source);
    proxy.setup_.emplace();
    proxy.setup_->struct_size = sizeof(gesso_setup_t);
    fields(in, *proxy.setup_);
    proxy.weights_.use(setup->weights);
  });
  return kept == GESSO_STATUS_OK ? proxy.ask_prepare(call) : kept;
}

const void* Proxy::get_interface(void* self, const char* id) {
  Proxy& proxy = of(self);
  const std::string_view wanted = id ? id : "";
  const void* found = nullptr;
  each_interface([&]<class Table>() {
    const auto& table = std::get<std::optional<Table>>(proxy.tables_);
    if (wanted == Described<Table>::id && table) found = &*table;
  });
  const auto& has = proxy.options_.interfaces;
  if (!found && std::ranges::find(has, wanted) != has.end())
    proxy.log(GESSO_LOG_INFO,
              fmt::format("{}: {} is not there in a child process", proxy.who(), wanted));
  return found;
}

void Proxy::serve(const Message& message) {
  Served served{nullptr, child_->copies, child_->session,
                [this](uint32_t, uint32_t) {
                  gesso_call_t call{};
                  call.struct_size = sizeof call;
                  return under_way_ ? *under_way_ : call;
                },
                &weights_};
  served.self = const_cast<gesso_host_t*>(&host_);
  if (serve_table(&host_, message, served)) return;
  served.self = const_cast<gesso_call_t*>(under_way_);
  if (serve_table(under_way_, message, served)) return;
  served.self = &weights_;
  const gesso_weights_service_t* service =
      setup_ && setup_->weights ? &WeightsServer::table() : nullptr;
  if (serve_table(service, message, served)) return;
  if (message.kind == Kind::Call)
    throw Error(Status::BadData, fmt::format("the host has no method {:#x}", message.method));
}

/// Throws when the child has to be given up.
void Proxy::watch_over(const gesso_call_t* under_way, Clock::time_point start,
                       std::optional<Clock::time_point>& cancelled) {
  if (!under_way || !under_way->cancelled) {
    if (seconds_since(start) < options_.answer_seconds) return;
    throw GiveUp{fmt::format("it did not answer within {} s", options_.answer_seconds),
                 Status::Internal};
  }
  if (!cancelled && under_way->cancelled(under_way)) {
    cancelled = Clock::now();
    child_->set_cancelled(true);
  }
  if (cancelled && seconds_since(*cancelled) > options_.cancel_seconds)
    throw GiveUp{
        fmt::format("it did not stop within {} s after it was cancelled", options_.cancel_seconds),
        Status::Cancelled};
}

/// The child is gone, or has to go. @param seconds  that it may take for it
void Proxy::ended(double seconds, const GiveUp& why) {
  const std::string how = child_->process.end(seconds);
  weights_.begin_again();  // leaves what the child has entered
  dead_ = true;            // what is under way still looks at it
  const std::string text =
      fmt::format("{}: {}: {}; the next call starts another process", who(), why.what, how);
  if (why.status == Status::Cancelled) log(GESSO_LOG_WARNING, text);
  throw Error(why.status, text);
}

void Proxy::damaged(const Error& error) {
  ended(0, {fmt::format("it broke the protocol ({})", error.what()), Status::BadData});
}

Answer Proxy::ask(Writer& call, const gesso_call_t* under_way) {
  const gesso_call_t* before = std::exchange(under_way_, under_way);
  const struct Back {
    const gesso_call_t*& place;
    const gesso_call_t* before;
    ~Back() { place = before; }
  } back{under_way_, before};
  std::optional<Clock::time_point> cancelled;
  const Clock::time_point start = Clock::now();
  child_->set_cancelled(false);
  child_->session.idle = [&] { watch_over(under_way, start, cancelled); };
  try {
    return child_->session.exchange(call);
  } catch (const Closed&) {
    ended(kGoodbyeSeconds, {"its process ended", Status::Internal});
  } catch (const GiveUp& why) {
    ended(0, why);
  } catch (const Error& error) {
    if (error.status() != Status::BadData) throw;
    damaged(error);
  }
}

}  // namespace

std::string obstacle(std::string_view kind) {
  constexpr std::array kinds{"tokenizer", "text_encoder", "image_encoder", "codec",
                             "denoiser",  "preprocessor", "scheduler",     "delta_source"};
  if (std::ranges::find(kinds, kind) != kinds.end()) return "";
  return fmt::format(
      "a {} cannot run in a child process: it works with other components of its pipeline, or "
      "decides about the host's memory; what can is {}",
      kind, fmt::join(kinds, ", "));
}

gesso_component_t* open_proxy(Options options, const gesso_host_t* host) {
  if (const std::string why = obstacle(options.kind); !why.empty())
    throw Error(Status::NotSupported, fmt::format("{}: {}", options.component, why));
  return std::make_unique<Proxy>(std::move(options), host).release()->component();
}

}  // namespace gesso::isolation
