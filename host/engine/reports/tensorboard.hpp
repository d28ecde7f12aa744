// Event files for TensorBoard: records with masked checksums, protocol buffers inside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "engine/image/image.hpp"

namespace gesso::reports {

/// Appends to one file "events.out.tfevents.<seconds>.<name>" of a folder, which it makes.
class TensorboardFile {
 public:
  /// @param seconds  the time of writing, since 1970
  /// @throws Error   Denied when the file cannot be made
  TensorboardFile(const std::filesystem::path& folder, double seconds, std::string_view name);

  void scalar(std::string_view tag, double value, int64_t step, double seconds);
  void image(std::string_view tag, const image::Image& picture, int64_t step, double seconds);
  const std::filesystem::path& path() const { return path_; }

 private:
  void record(const std::string& event);

  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace gesso::reports
