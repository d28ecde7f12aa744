// Settings that the hubs' own programs read from the environment.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace gesso::models {

/// "" when it is not set.
inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

inline std::filesystem::path home_folder() {
  const std::string home = environment("HOME");
  return home.empty() ? "/" : home;
}

inline std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// "1", "true", "yes" and "on", as Hugging Face's program takes them.
inline bool is_on(const char* name) {
  const std::string value = lower(environment(name));
  return value == "1" || value == "true" || value == "yes" || value == "on";
}

}  // namespace gesso::models
