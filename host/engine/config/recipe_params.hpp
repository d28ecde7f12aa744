// The keys of [train]: DiffSynth-Studio's command line by its names, and what Gesso adds.
#pragma once

#include <string_view>
#include <vector>

#include "engine/config/params.hpp"

namespace gesso::config {

const std::vector<registry::Param>& train_params();

/// What a key of the reference means here when that is not what its name says.
struct TrainRemark {
  std::string_view key;
  bool refused = false;  // any value but the default is an error
  std::string_view text;
};
const TrainRemark* train_remark(std::string_view key);

/// The role that the reference calls "dit" or "vae"; a role's own name is itself.
std::string role_of_attribute(std::string_view attribute);
/// The other way round: "dit" for "denoiser".
std::string attribute_of_role(std::string_view role);

}  // namespace gesso::config
