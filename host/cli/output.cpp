#include "cli/output.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "gesso/cpp/error.hpp"

namespace gesso::cli {

namespace fs = std::filesystem;

std::string output_pattern(const std::string& out) {
  std::error_code none;  // what cannot be looked at is told when the folder is prepared
  const bool folder = out.ends_with('/') || fs::is_directory(out, none);
  return folder ? (fs::path(out) / "{name}-{seed}.png").string() : out;
}

std::string fixed_part(const std::string& pattern) {
  const std::string before = pattern.substr(0, pattern.find('{'));
  const size_t slash = before.rfind('/');
  return slash == std::string::npos ? "" : before.substr(0, slash + 1);
}

void prepare_folder(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) return prepare_folder("./");
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && access(folder.c_str(), W_OK | X_OK) != 0) {
    error = std::error_code(errno, std::generic_category());
  }
  if (error) {
    throw Error(Status::Denied, fmt::format("{}: pictures cannot be written into this folder: {}",
                                            folder.string(), error.message()));
  }
}

std::string sheet_path(const nlohmann::json& output, const nlohmann::json& request) {
  if (output.contains("sheet")) return output["sheet"];
  const fs::path first(request.at("outputs").at(0).get<std::string>());
  return (first.parent_path() / ("sheet-" + first.stem().string() + ".png")).string();
}

}  // namespace gesso::cli
