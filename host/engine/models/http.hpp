// One HTTP request after another, by libcurl. Proxies are taken from the usual environment
// variables (https_proxy, all_proxy, no_proxy).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace gesso::models {

/// How a hub is spoken to. A token goes to that host only, never to one it redirects to, and never
/// into a message.
struct Access {
  std::string token;             // "": none
  bool token_as_cookie = false;  // ModelScope's session, beside the header
  double stall_seconds = 30;     // without a byte: the connection counts as lost
  double connect_seconds = 15;
};

struct Range {
  uint64_t first = 0, last = 0;  // inclusive
};

/// What a server answered; a body that was not taken by a sink is in `body`.
struct Response {
  long status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; of the last redirect
  std::string body;
  double retry_after = -1;  // seconds; -1: not said
  std::string failure;      // of the connection; "": none, look at `status`

  bool ok() const { return failure.empty() && status >= 200 && status < 300; }
  /// Whether asking again may help: the connection failed, or the server is busy or broken.
  bool is_passing() const;
  std::string header(const std::string& name) const;
  /// "HTTP 503", "the connection stalled", ...
  std::string problem() const;
};

/// Keeps its connection between requests. One thread at a time.
class Http {
 public:
  /// Called with the status and headers in place; false ends the transfer.
  using Sink = std::function<bool(const Response& head, std::span<const std::byte> bytes)>;

  /// @param cancelled  asked about once a second and with every piece
  Http(Access access, std::function<bool()> cancelled);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  /// Never throws because of the server. With a sink, bodies of failures still go to `body`.
  Response get(const std::string& url, const Range* range = nullptr, const Sink& sink = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// `text` as a part of a URL; '/' stays as it is on request.
std::string url_escape(const std::string& text, bool keep_slashes = true);

}  // namespace gesso::models
