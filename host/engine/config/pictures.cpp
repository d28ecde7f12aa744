#include "engine/config/pictures.hpp"

#include <string>

#include <fmt/format.h>

#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace {

/// One parameter that says how many pictures there are.
struct Claim {
  std::string text;  // "3 prompts"
  int64_t count = 1;
};

Claim claim_of(const nlohmann::json& values, const char* key) {
  if (!values.contains(key)) return {};
  const auto count = static_cast<int64_t>(values[key].size());
  return {fmt::format("{} has {} entries", key, count), count};
}

}  // namespace

int64_t count_pictures(const nlohmann::json& values) {
  const int64_t asked = values.value("num_images", int64_t{1});
  const Claim claims[] = {{fmt::format("num_images is {}", asked), asked},
                          claim_of(values, "prompt"),
                          claim_of(values, "negative_prompt"),
                          claim_of(values, "seed")};
  Claim widest;
  for (const Claim& claim : claims) {
    if (claim.count == 1) continue;
    if (widest.count != 1 && widest.count != claim.count) {
      throw Error(Status::InvalidArgument,
                  fmt::format("{}, but {}; lists are paired, so they must be equally long, or have "
                              "one entry for all",
                              widest.text, claim.text));
    }
    widest = claim;
  }
  return widest.count;
}

}  // namespace gesso::config
