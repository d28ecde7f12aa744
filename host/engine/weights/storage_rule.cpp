#include "engine/weights/storage_rule.hpp"

#include "engine/weights/convert.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gesso::weights {

bool means_module(std::string_view entry, std::string_view module) {
  if (!module.ends_with(entry)) return false;
  const size_t before = module.size() - entry.size();
  return before == 0 || module[before - 1] == '.';
}

std::string_view module_of(std::string_view weight) {
  for (const std::string_view suffix : {".weight", ".bias"}) {
    if (weight.ends_with(suffix)) return weight.substr(0, weight.size() - suffix.size());
  }
  return weight;
}

Storing::Storing(StorageRule rule) : rule_(std::move(rule)) {
  if (!rule_.format.empty()) format_ = storage_format(rule_.format);
}

bool Storing::listed(const std::vector<std::string>& entries, std::string_view module) {
  bool found = false;
  for (const std::string& entry : entries) {
    if (!means_module(entry, module)) continue;
    used_.insert(entry);
    found = true;
  }
  return found;
}

bool Storing::covers(std::string_view name, const StoredWeight& weight, bool is_linear) {
  if (!format_) return false;
  const bool for_all =
      encoding_of(*format_) == Encoding::Plain && !is_quantised(dtype_of(*format_));
  const std::string_view module = module_of(name);
  const bool targeted = listed(rule_.target_modules, module) || rule_.target_modules.empty();
  const bool excluded = listed(rule_.exclude_modules, module);
  if (!targeted || excluded || !(is_linear || for_all)) return false;
  if (weight.encoding == Encoding::Plain && is_float(weight.data().dtype)) return true;
  if (is_linear && weight.format() != name_of(*format_)) kept_.emplace_back(name);
  return false;
}

StoredWeight Storing::store(const std::string& name, const StoredWeight& weight, unsigned threads) {
  try {
    return encode(decode(weight, weight.data().dtype, threads), *format_, threads);
  } catch (const Error& error) {
    throw Error(error.status(), fmt::format("weight \"{}\": {}", name, error.what()));
  }
}

std::vector<std::string> Storing::unused() const {
  std::vector<std::string> list;
  for (const auto* entries : {&rule_.target_modules, &rule_.exclude_modules}) {
    std::ranges::copy_if(*entries, std::back_inserter(list),
                         [&](const std::string& entry) { return !used_.contains(entry); });
  }
  return list;
}

}  // namespace gesso::weights
