// Components that stand in for the siblings of the one that is checked: a composer finds a
// tokenizer of bytes, an encoder of waves; no other plugin is needed.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "gesso/plugin.h"

namespace gesso::validate {

class StandIn;

/// By role. Which one is made follows from words in the role: "tokenizer", "text_encoder",
/// "image_encoder", "codec".
class StandIns {
 public:
  /// @param features  width of what encoders give, by role; 8 where a role is not listed
  explicit StandIns(std::map<std::string, int64_t> features);
  ~StandIns();
  StandIns(const StandIns&) = delete;
  StandIns& operator=(const StandIns&) = delete;

  /// Null when no stand-in is known for the role.
  gesso_component_t* find(const std::string& role);

 private:
  std::map<std::string, int64_t> features_;
  std::map<std::string, std::unique_ptr<StandIn>> made_;
};

}  // namespace gesso::validate
