// What the fuzzers share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gesso/cpp/error.hpp"
#include "temporary_folder.hpp"

/// One input: reads it as the host would. Anything but a return is a finding.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace gesso::fuzz {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Ends the program when `text` cannot go into an answer: it is empty or not UTF-8.
inline void check_message(std::string_view text) {
  if (text.empty()) std::abort();
  nlohmann::json(text).dump();  // throws for what is not UTF-8
}

/// Runs `read`, which may succeed or throw an Error that says something.
template <class Read>
void expect_no_more_than_an_error(Read read) {
  try {
    read();
  } catch (const Error& error) {
    check_message(error.what());
  }
}

/// The input as a file, for functions that take a path.
class InputFile {
 public:
  explicit InputFile(const char* name) : path_(folder_.path / name) {}

  const std::filesystem::path& path() const { return path_; }
  const std::filesystem::path& folder() const { return folder_.path; }

  /// The path, after `text` was written there.
  const std::filesystem::path& write(std::string_view text) const {
    std::ofstream(path_, std::ios::binary) << text;
    return path_;
  }

 private:
  TemporaryFolder folder_;
  std::filesystem::path path_;
};

}  // namespace gesso::fuzz
