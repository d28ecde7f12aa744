// [train] while it is read: the checked values and where each stands.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/config/check.hpp"
#include "engine/config/recipe_models.hpp"
#include "engine/config/recipe_params.hpp"

namespace gesso::config {

class TrainReader {
 public:
  TrainReader(const Node& table, nlohmann::json values, Problems& problems)
      : table_(table), values_(std::move(values)), problems_(problems) {}

  bool given(std::string_view key) const { return values_.contains(key); }
  const nlohmann::json& operator[](const std::string& key) const {
    return given(key) ? values_[key] : find_param(train_params(), key)->preset;
  }
  std::string text(const std::string& key) const {
    const nlohmann::json& value = (*this)[key];
    return value.is_string() ? value.get<std::string>() : "";
  }
  int64_t integer(const std::string& key) const {
    const nlohmann::json& value = (*this)[key];
    return value.is_number() ? value.get<int64_t>() : 0;
  }
  std::vector<std::string> list(const std::string& key) const { return split_list((*this)[key]); }
  std::filesystem::path path(const std::string& key) const { return text(key); }
  /// Where `key` is written; the table when it is not.
  const Place& place(std::string_view key) const {
    const Node* node = table_.find(key);
    return node ? node->place : table_.place;
  }
  void error(std::string_view key, const std::string& text,
             Status status = Status::InvalidArgument) const {
    problems_.error(place(key), fmt::format("train.{}: {}", key, text), status);
  }
  void warn(std::string_view key, const std::string& text) const {
    problems_.warning(place(key), fmt::format("train.{}: {}", key, text));
  }
  /// A file or folder that must be there.
  std::filesystem::path existing(const std::string& key) const {
    const std::filesystem::path file = path(key);
    if (!file.empty() && !std::filesystem::exists(file)) {
      error(key, fmt::format("there is no file \"{}\"", file.string()), Status::NotFound);
    }
    return file;
  }
  const nlohmann::json& values() const { return values_; }

 private:
  const Node& table_;
  nlohmann::json values_;
  Problems& problems_;
};

}  // namespace gesso::config
