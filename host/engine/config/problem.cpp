#include "engine/config/problem.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace gesso::config {

void Problems::error(const Place& place, std::string text, Status status) {
  entries_.push_back({place, {place.text(), std::move(text), Severity::Error, status}});
}

void Problems::warning(const Place& place, std::string text) {
  entries_.push_back({place, {place.text(), std::move(text), Severity::Warning, Status::Ok}});
}

bool Problems::any_error() const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [](const Entry& entry) { return entry.problem.severity == Severity::Error; });
}

std::vector<Problem> Problems::sorted() const {
  std::map<std::string, size_t> rank;  // by source name
  for (const Entry& entry : entries_) rank.try_emplace(entry.place.source->name, rank.size());
  std::vector<const Entry*> order;
  for (const Entry& entry : entries_) order.push_back(&entry);
  const auto position = [&](const Entry* entry) {
    return std::tuple(rank.at(entry->place.source->name), entry->place.line, entry->place.column);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const Entry* a, const Entry* b) { return position(a) < position(b); });
  std::vector<Problem> sorted;
  for (const Entry* entry : order) sorted.push_back(entry->problem);
  return sorted;
}

void Problems::throw_if_any() const {
  std::string text;
  Status status = Status::Ok;
  for (const Problem& problem : sorted()) {
    if (problem.severity != Severity::Error) continue;
    if (status == Status::Ok) status = problem.status;
    if (!text.empty()) text += '\n';
    text += problem.line();
  }
  if (!text.empty()) throw Error(status, text);
}

}  // namespace gesso::config
