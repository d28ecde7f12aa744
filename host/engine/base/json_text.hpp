// JSON from outside, whoever wrote it.
#pragma once

#include <utility>

#include <nlohmann/json.hpp>

namespace gesso::base {

/// @param input  a text or a stream
/// @return  discarded (`is_discarded`, and of no type) when it is no JSON or deeper than 100
///          levels: what walks through a tree recurses for each, so that a hostile one would end
///          the program
template <class Input>
nlohmann::json parse_json(Input&& input) {
  constexpr int kMaxDepth = 100;
  bool deep = false;
  const auto keep = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    deep = deep || depth > kMaxDepth;
    return !deep;
  };
  nlohmann::json value =
      nlohmann::json::parse(std::forward<Input>(input), keep, /*allow_exceptions=*/false);
  return deep ? nlohmann::json(nlohmann::json::value_t::discarded) : value;
}

}  // namespace gesso::base
