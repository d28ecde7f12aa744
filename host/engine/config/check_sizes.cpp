#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "engine/config/check.hpp"

namespace gesso::config {
namespace {

std::optional<int64_t> size_of(const std::vector<ComponentPlan>& plans, std::string_view role,
                               const std::string& size) {
  const auto plan = std::ranges::find(plans, role, &ComponentPlan::role);
  if (plan == plans.end() || !plan->weights) return {};
  const auto& sizes = plan->weights->dimensions().sizes;
  const auto found = sizes.find(size);
  return found == sizes.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

void check_sizes(const std::vector<FilledRole>& roles, const std::vector<ComponentPlan>& plans,
                 Problems& problems) {
  for (const FilledRole& filled : roles) {
    for (const auto& [size, other] : filled.role->same) {
      const size_t dot = other.find('.');
      const std::string role = other.substr(0, dot), its_size = other.substr(dot + 1);
      const auto own = size_of(plans, filled.name, size), expected = size_of(plans, role, its_size);
      if (!own || !expected || *own == *expected) continue;
      problems.error(filled.place,
                     fmt::format("{}: its weights have {} = {}, but those of the {} have {} = {}; "
                                 "are these files of two models?",
                                 filled.label(), size, *own, role, its_size, *expected),
                     Status::Incompatible);
    }
  }
}

}  // namespace gesso::config
