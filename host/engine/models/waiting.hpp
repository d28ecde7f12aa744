// Asking a server again, not too often.
#pragma once

#include <functional>
#include <string>

#include "engine/models/http.hpp"

namespace gesso::models {

inline constexpr int kAttempts = 8;  // without any progress between them

/// Seconds before attempt `number` (1, 2, ...): as the server says, else 0.5, 1, 2, ... up to 20.
double pause_before(int number, const Response& last);

/// Waits in short pieces. @throws Error Cancelled
void wait(double seconds, const std::function<bool()>& cancelled);

/// A request without a body of its own, again and again while the trouble may pass.
Response get_with_patience(Http& http, const std::string& url,
                           const std::function<bool()>& cancelled);

}  // namespace gesso::models
