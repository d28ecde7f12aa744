// FILE[@SCALE], as LoRAs are given.
#pragma once

#include <string>

namespace gesso::cli {

struct ScaledFile {
  std::string file;
  double scale = 1;
};

/// What stands behind the last @, if it is a number; else all of it is the file.
ScaledFile split_scale(const std::string& text);

}  // namespace gesso::cli
