#include "runtime/training/lora_targets.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "engine/base/expression.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::runtime {
namespace {

using Rule = config::LoraTargets::Rule;

constexpr int64_t kAutoSide = 512;  // the reference leaves out narrower layers

/// "layers" and "3" of "layers.3.attention.to_q": the first part that is a number, and what stands
/// before it; empty without.
std::pair<std::string, std::string> list_of(const std::string& name) {
  size_t begin = 0;
  while (begin < name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    const bool number = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
      return std::isdigit(static_cast<unsigned char>(c));
    });
    if (number && begin > 0) return {name.substr(0, begin - 1), part};
    begin = end + 1;
  }
  return {};
}

/// Lists of more than one block.
std::set<std::string> long_lists(const std::vector<DeltaTarget>& targets) {
  std::map<std::string, std::set<std::string>> blocks;
  for (const DeltaTarget& target : targets) {
    const auto [list, block] = list_of(target.name);
    if (!list.empty()) blocks[list].insert(block);
  }
  std::set<std::string> found;
  for (const auto& [list, numbers] : blocks) {
    if (numbers.size() > 1) found.insert(list);
  }
  return found;
}

bool is_named(const std::string& name, const std::vector<std::string>& wanted) {
  return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& end) {
    return name == end || name.ends_with("." + end);
  });
}

std::regex pattern_of(const config::LoraTargets& rule) {
  if (rule.rule != Rule::Pattern) return {};
  try {
    return base::expression(rule.names.at(0));
  } catch (const Error& error) {
    throw Error(error.status(),
                fmt::format("{}: lora_target_modules: {}", rule.where, error.what()));
  }
}

}  // namespace

std::vector<size_t> choose_targets(const config::LoraTargets& rule,
                                   const std::vector<DeltaTarget>& targets) {
  const auto lists = long_lists(targets);
  const std::regex pattern = pattern_of(rule);
  std::vector<size_t> chosen;
  for (size_t i = 0; i < targets.size(); ++i) {
    const DeltaTarget& target = targets[i];
    const bool fits = rule.rule == Rule::AllLinear ||
                      (rule.rule == Rule::Names && is_named(target.name, rule.names)) ||
                      (rule.rule == Rule::Pattern && std::regex_match(target.name, pattern)) ||
                      (rule.rule == Rule::Auto && lists.contains(list_of(target.name).first) &&
                       std::min(target.out_features, target.in_features) >= kAutoSide);
    if (fits) chosen.push_back(i);
  }
  if (!chosen.empty()) return chosen;
  throw Error(Status::NotFound,
              fmt::format("{}: lora_target_modules \"{}\" match none of {} linear layers, such as "
                          "{}",
                          rule.where, rule.written, targets.size(),
                          targets.empty() ? "none" : targets[targets.size() / 2].name));
}

at::Tensor initial_a(uint64_t seed, int64_t rank, int64_t in_features) {
  const double bound = 1 / std::sqrt(static_cast<double>(in_features));
  auto generator = at::detail::createCPUGenerator(seed);
  return at::empty({rank, in_features}, at::kFloat).uniform_(-bound, bound, generator);
}

}  // namespace gesso::runtime
