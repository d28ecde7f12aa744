#include "engine/models/http.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/models/environment.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::models {
namespace {

constexpr size_t kMaxBody = size_t{64} << 20;  // of listings and error pages
constexpr long kMaxRedirects = 8;
constexpr long kBufferBytes = 1 << 19;

struct Exchange {
  Response response;
  const Http::Sink* sink = nullptr;
  const std::function<bool()>* cancelled = nullptr;
};

void start_head(Response& response, std::string_view line) {
  response.headers.clear();  // of the redirect before it
  const size_t space = line.find(' ');
  response.status = space == std::string_view::npos
                        ? 0
                        : std::strtol(std::string(line.substr(space + 1, 3)).c_str(), nullptr, 10);
}

size_t take_header(char* data, size_t size, size_t count, void* user) {
  Response& response = static_cast<Exchange*>(user)->response;
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) start_head(response, line);
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    const size_t end = line.find_last_not_of(" \t\r\n");
    const bool empty = begin == std::string_view::npos || end < begin;
    response.headers[lower(std::string(line.substr(0, colon)))] =
        empty ? "" : std::string(line.substr(begin, end - begin + 1));
  }
  return line.size();
}

size_t take_body(char* data, size_t size, size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const size_t bytes = size * count;
  const bool to_sink = *exchange.sink && exchange.response.ok();
  if (to_sink) {
    const auto* first = reinterpret_cast<const std::byte*>(data);
    return (*exchange.sink)(exchange.response, {first, bytes}) ? bytes : CURL_WRITEFUNC_ERROR;
  }
  if (exchange.response.body.size() + bytes > kMaxBody) return CURL_WRITEFUNC_ERROR;
  exchange.response.body.append(data, bytes);
  return bytes;
}

int ask_cancelled(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<Exchange*>(user)->cancelled)() ? 1 : 0;
}

void start_curl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) throw Error(Status::Internal, "libcurl cannot be started");
}

/// "127.0.0.1" of "http://127.0.0.1:8000/x".
std::string host_of(const std::string& url) {
  CURLU* parts = curl_url();
  char* host = nullptr;
  std::string text;
  if (curl_url_set(parts, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
    text = host;
  }
  curl_free(host);
  curl_url_cleanup(parts);
  return text;
}

}  // namespace

struct Http::State {
  CURL* curl = nullptr;
  Access access;
  std::function<bool()> cancelled;
  char text[CURL_ERROR_SIZE] = {};
};

Http::Http(Access access, std::function<bool()> cancelled) : state_(std::make_unique<State>()) {
  start_curl();
  state_->access = std::move(access);
  state_->cancelled = std::move(cancelled);
  state_->curl = curl_easy_init();
  if (!state_->curl) throw Error(Status::OutOfMemory, "libcurl gives no connection");
}

Http::~Http() { curl_easy_cleanup(state_->curl); }

Response Http::get(const std::string& url, const Range* range, const Sink& sink) {
  CURL* curl = state_->curl;
  const Access& access = state_->access;
  Exchange exchange{{}, &sink, &state_->cancelled};
  curl_easy_reset(curl);  // keeps connections
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "gesso/" GESSO_VERSION);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, state_->text);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  // A hub that is spoken to in secret does not send us on in the clear.
  const bool secret = url.starts_with("https:");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secret ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(access.connect_seconds * 1e3));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, std::max(1L, std::lround(access.stall_seconds)));
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_cancelled);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);
  for (const char* name : {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    const std::string bundle = environment(name);
    if (bundle.empty()) continue;
    curl_easy_setopt(curl, CURLOPT_CAINFO, bundle.c_str());
    break;
  }
  if (!access.token.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, access.token.c_str());
    if (access.token_as_cookie) {
      const std::string cookie =
          fmt::format("Set-Cookie: m_session_id={}; domain={}; path=/", access.token, host_of(url));
      curl_easy_setopt(curl, CURLOPT_COOKIELIST, cookie.c_str());
    }
  }
  std::string range_text;
  if (range) {
    range_text = fmt::format("{}-{}", range->first, range->last);
    curl_easy_setopt(curl, CURLOPT_RANGE, range_text.c_str());
  }

  const CURLcode code = curl_easy_perform(curl);
  Response& response = exchange.response;
  if (state_->cancelled()) throw Error(Status::Cancelled, "cancelled");
  curl_off_t wait = 0;
  if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0) {
    response.retry_after = static_cast<double>(wait);
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    response.failure = "the connection stalled";
  } else if (code == CURLE_WRITE_ERROR) {
    response.failure = "the answer was not what was asked for";
  } else if (code != CURLE_OK) {
    response.failure = state_->text[0] ? state_->text : curl_easy_strerror(code);
  }
  return std::move(response);
}

bool Response::is_passing() const {
  return !failure.empty() || status == 408 || status == 429 || status >= 500;
}

std::string Response::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

std::string Response::problem() const {
  return failure.empty() ? fmt::format("HTTP {}", status) : failure;
}

std::string url_escape(const std::string& text, bool keep_slashes) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~' ||
                       (c == '/' && keep_slashes);
    escaped += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return escaped;
}

}  // namespace gesso::models
