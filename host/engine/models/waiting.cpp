#include "engine/models/waiting.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "gesso/cpp/error.hpp"

namespace gesso::models {
namespace {

constexpr double kLongestAsked = 600;  // a server that asks for more is not waited for

}  // namespace

double pause_before(int number, const Response& last) {
  if (last.retry_after >= 0) return std::min(last.retry_after, kLongestAsked);
  return std::min(0.5 * std::exp2(number - 1), 20.0);
}

void wait(double seconds, const std::function<bool()>& cancelled) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    if (cancelled()) throw Error(Status::Cancelled, "cancelled");
    std::this_thread::sleep_for(std::min(std::chrono::duration<double>(end - Clock::now()),
                                         std::chrono::duration<double>(0.1)));
  }
}

Response get_with_patience(Http& http, const std::string& url,
                           const std::function<bool()>& cancelled) {
  Response response = http.get(url);
  for (int attempt = 1; attempt < kAttempts && response.is_passing(); ++attempt) {
    // A host that is not there at all does not come back within seconds.
    if (response.status == 0 && attempt >= 3) break;
    wait(pause_before(attempt, response), cancelled);
    response = http.get(url);
  }
  return response;
}

}  // namespace gesso::models
