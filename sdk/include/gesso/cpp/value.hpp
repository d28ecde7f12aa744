// Reading and building lists of gesso_value_t.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../value.h"
#include "error.hpp"

namespace gesso {

/// A borrowed list of values. A value that is there but of another type is an error, never ignored.
class Values {
 public:
  Values() = default;
  Values(const gesso_value_t* values, uint64_t count) : values_(values, count) {}

  const gesso_value_t* find(std::string_view key) const {
    for (const gesso_value_t& value : values_) {
      if (key == value.key) return &value;
    }
    return nullptr;
  }
  bool has(std::string_view key) const { return find(key) != nullptr; }

  int64_t integer(std::string_view key, int64_t preset) const {
    const auto* value = typed(key, GESSO_VALUE_INT, "an integer");
    return value ? value->u.i : preset;
  }
  bool boolean(std::string_view key, bool preset) const {
    const auto* value = typed(key, GESSO_VALUE_BOOL, "true or false");
    return value ? value->u.i != 0 : preset;
  }
  /// Integers are accepted as well.
  double real(std::string_view key, double preset) const {
    const auto* value = find(key);
    if (value && value->type == GESSO_VALUE_INT) return static_cast<double>(value->u.i);
    value = typed(key, GESSO_VALUE_REAL, "a number");
    return value ? value->u.r : preset;
  }
  std::string text(std::string_view key, std::string_view preset) const {
    const auto* value = typed(key, GESSO_VALUE_TEXT, "a text");
    return std::string(value ? value->u.t : preset);
  }
  /// Empty when absent.
  std::vector<int64_t> integers(std::string_view key) const {
    const auto* value = typed(key, GESSO_VALUE_INTS, "a list of integers");
    return value ? std::vector<int64_t>(value->u.is, value->u.is + value->count)
                 : std::vector<int64_t>();
  }
  /// Empty when absent. Integers are accepted as well.
  std::vector<double> reals(std::string_view key) const {
    const auto* value = find(key);
    if (value && value->type == GESSO_VALUE_INTS) {
      return {value->u.is, value->u.is + value->count};
    }
    value = typed(key, GESSO_VALUE_REALS, "a list of numbers");
    return value ? std::vector<double>(value->u.rs, value->u.rs + value->count)
                 : std::vector<double>();
  }
  /// Empty when absent. A single text is accepted as a list of one.
  std::vector<std::string> texts(std::string_view key) const {
    const auto* value = find(key);
    if (value && value->type == GESSO_VALUE_TEXT) return {value->u.t};
    value = typed(key, GESSO_VALUE_TEXTS, "a list of texts");
    return value ? std::vector<std::string>(value->u.ts, value->u.ts + value->count)
                 : std::vector<std::string>();
  }

 private:
  const gesso_value_t* typed(std::string_view key, int32_t type, const char* expected) const {
    const gesso_value_t* value = find(key);
    if (value && value->type != type) {
      throw Error(Status::InvalidArgument, "value \"" + std::string(key) + "\": expected " +
                                               expected + ", found a value of type " +
                                               std::to_string(value->type));
    }
    return value;
  }

  std::span<const gesso_value_t> values_;
};

/// Builds a list and owns what it points to.
class ValueList {
 public:
  ValueList() = default;
  ValueList(ValueList&&) = default;
  ValueList& operator=(ValueList&&) = default;

  ValueList& set_integer(const std::string& key, int64_t v) {
    add(key, GESSO_VALUE_INT).u.i = v;
    return *this;
  }
  ValueList& set_boolean(const std::string& key, bool v) {
    add(key, GESSO_VALUE_BOOL).u.i = v;
    return *this;
  }
  ValueList& set_real(const std::string& key, double v) {
    add(key, GESSO_VALUE_REAL).u.r = v;
    return *this;
  }
  ValueList& set_text(const std::string& key, const std::string& v) {
    add(key, GESSO_VALUE_TEXT).u.t = keep(v);
    return *this;
  }
  ValueList& set_integers(const std::string& key, std::vector<int64_t> v) {
    integers_.push_back(std::move(v));
    add(key, GESSO_VALUE_INTS, integers_.back().size()).u.is = integers_.back().data();
    return *this;
  }
  ValueList& set_reals(const std::string& key, std::vector<double> v) {
    reals_.push_back(std::move(v));
    add(key, GESSO_VALUE_REALS, reals_.back().size()).u.rs = reals_.back().data();
    return *this;
  }
  ValueList& set_texts(const std::string& key, const std::vector<std::string>& v) {
    std::vector<const char*>& list = lists_.emplace_back();
    for (const std::string& text : v) list.push_back(keep(text));
    add(key, GESSO_VALUE_TEXTS, list.size()).u.ts = list.data();
    return *this;
  }

  const gesso_value_t* data() const { return values_.data(); }
  uint32_t size() const { return static_cast<uint32_t>(values_.size()); }
  Values view() const { return {values_.data(), values_.size()}; }

 private:
  gesso_value_t& add(const std::string& key, int32_t type, size_t count = 1) {
    gesso_value_t value{};
    value.key = keep(key);
    value.type = type;
    value.count = static_cast<uint32_t>(count);
    values_.push_back(value);
    return values_.back();
  }
  const char* keep(const std::string& text) { return texts_.emplace_back(text).c_str(); }

  std::vector<gesso_value_t> values_;
  std::deque<std::string> texts_;  // deques: addresses stay
  std::deque<std::vector<int64_t>> integers_;
  std::deque<std::vector<double>> reals_;
  std::deque<std::vector<const char*>> lists_;
};

}  // namespace gesso
