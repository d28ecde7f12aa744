// Where result files go.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace gesso::cli {

/// What --out means: a folder stands for a pattern of names in it.
std::string output_pattern(const std::string& out);

/// A pattern up to its first placeholder, cut to whole folders: "out/{seed}/a.png" is "out/".
std::string fixed_part(const std::string& pattern);

/// Makes the folder of `path` if it is missing, and sees that files can be made there; a path that
/// ends in "/" is a folder itself. @throws Error Denied with the system's text
void prepare_folder(const std::string& path);

/// Of the contact sheet: as the pipeline file says, else beside the first picture.
std::string sheet_path(const nlohmann::json& output, const nlohmann::json& request);

}  // namespace gesso::cli
