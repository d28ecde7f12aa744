// What jobs that read and write weight files share.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/registry/registry.hpp"
#include "engine/weights/recognise.hpp"

namespace gesso::api {

/// What a checkpoint is.
struct Recognised {
  const registry::ComponentInfo* component;
  weights::Match match;  // exact
};

/// @param wanted  id of the component; "": the one that fits
/// @throws Error  Incompatible telling what the files look like; InvalidArgument when several
///                components fit other tensors of the files and none was named
Recognised recognise_component(const weights::WeightSet& set, const registry::Registry& registry,
                               const std::string& wanted);

/// @throws Error  InvalidArgument when the result would replace a file that is read
void refuse_input_as_output(const weights::WeightSet& set, const std::filesystem::path& output,
                            const std::string& job);

/// The warning about weights that a storage format cannot hold. @param left  their names, some
std::string left_as_they_are(const std::vector<std::string>& left, const std::string& format);

/// "5GB", "500MB", "1.5GiB" or a number of bytes; "" is 0. @throws Error InvalidArgument
uint64_t read_size(const std::string& text);

}  // namespace gesso::api
