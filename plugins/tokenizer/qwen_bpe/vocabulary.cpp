#include "vocabulary.hpp"

#include <fmt/format.h>

#include <functional>

#include "gesso/cpp/error.hpp"

namespace gesso::bpe {

namespace {

uint32_t hash_of(std::string_view text) {
  return static_cast<uint32_t>(std::hash<std::string_view>()(text));
}

}  // namespace

void Vocabulary::add(std::string_view text, int64_t id) {
  if (id < 0 || id > kMaxId)
    throw Error(Status::BadData,
                fmt::format("token \"{}\" has the id {}, expected 0 to {}", text, id, kMaxId));
  if (count_ * 2 >= slots_.size()) grow();
  const auto index = static_cast<size_t>(id);
  if (index >= spans_.size()) spans_.resize(index + 1);
  spans_[index] = {static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(text.size())};
  texts_ += text;
  const uint32_t hash = hash_of(text);
  Slot& slot = slots_[slot_of(text, hash)];
  if (slot.id == kEmpty) ++count_;
  slot = {hash, static_cast<int32_t>(id)};
}

std::optional<int32_t> Vocabulary::find(std::string_view text) const {
  if (slots_.empty()) return {};
  const int32_t id = slots_[slot_of(text, hash_of(text))].id;
  if (id == kEmpty) return {};
  return id;
}

std::optional<int32_t> Vocabulary::find(std::string_view token, int32_t guess) const {
  return text(guess) == token ? guess : find(token);
}

std::optional<std::string_view> Vocabulary::text(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= spans_.size() || spans_[id].length == kAbsent) return {};
  return text_of(id);
}

std::string_view Vocabulary::text_of(int32_t id) const {
  return std::string_view(texts_).substr(spans_[id].begin, spans_[id].length);
}

// The slot that holds `text`, or the empty one where it would go.
size_t Vocabulary::slot_of(std::string_view text, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].id != kEmpty && (slots_[at].hash != hash || text_of(slots_[at].id) != text))
    at = (at + 1) & mask;
  return at;
}

void Vocabulary::grow() {
  std::vector<Slot> old(slots_.empty() ? 1024 : slots_.size() * 2);
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.id == kEmpty) continue;
    size_t at = slot.hash & mask;
    while (slots_[at].id != kEmpty) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

}  // namespace gesso::bpe
