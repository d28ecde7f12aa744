#include "bpe.hpp"

#include <bit>
#include <queue>

#include "byte_level.hpp"
#include "unicode.hpp"

namespace gesso::bpe {
namespace {

constexpr uint64_t kNoPair = UINT64_MAX;
constexpr size_t kMaxKnownWords = 10000;
constexpr size_t kMaxKnownLength = 256;

uint64_t pair_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

// The symbols of a word in a doubly linked list; merging removes the right one of a pair.
class SymbolList {
 public:
  SymbolList(std::vector<int32_t> ids, const MergeTable& merges) : merges_(merges) {
    symbols_.reserve(ids.size());
    const auto count = static_cast<int32_t>(ids.size());
    for (int32_t i = 0; i < count; ++i)
      symbols_.push_back({ids[i], i - 1, i + 1 < count ? i + 1 : kNone, true});
  }

  std::vector<int32_t> merge_all() {
    for (int32_t i = 0; i < static_cast<int32_t>(symbols_.size()); ++i) consider(i);
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      if (still_there(best)) merge(best);
    }
    std::vector<int32_t> ids;
    for (int32_t i = symbols_.empty() ? kNone : 0; i != kNone; i = symbols_[i].next)
      ids.push_back(symbols_[i].id);
    return ids;
  }

 private:
  static constexpr int32_t kNone = -1;
  struct Symbol {
    int32_t id, previous, next;
    bool alive;
  };
  struct Candidate {
    int32_t rank, place, id;
    // The top of a priority_queue is its largest: lowest rank first, then leftmost.
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : place > other.place;
    }
  };

  // Queues the pair that begins at `place`, if it can be merged.
  void consider(int32_t place) {
    if (place == kNone || symbols_[place].next == kNone) return;
    if (const auto* merge = merge_at(place)) queue_.push({merge->rank, place, merge->id});
  }

  const MergeTable::Merge* merge_at(int32_t place) const {
    return merges_.find(symbols_[place].id, symbols_[symbols_[place].next].id);
  }

  bool still_there(const Candidate& candidate) const {
    const Symbol& left = symbols_[candidate.place];
    if (!left.alive || left.next == kNone) return false;
    const auto* merge = merge_at(candidate.place);
    return merge && merge->id == candidate.id;
  }

  void merge(const Candidate& candidate) {
    Symbol& left = symbols_[candidate.place];
    Symbol& right = symbols_[left.next];
    left.id = candidate.id;
    left.next = right.next;
    right.alive = false;
    if (left.next != kNone) symbols_[left.next].previous = candidate.place;
    consider(left.previous);
    consider(candidate.place);
  }

  const MergeTable& merges_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

MergeTable::MergeTable(size_t count)
    : slots_(std::bit_ceil(count + count / 2 + 2), Slot{kNoPair, {0, 0}}) {}

void MergeTable::add(int32_t left, int32_t right, Merge merge) {
  const uint64_t pair = pair_of(left, right);
  slots_[slot_of(pair)] = {pair, merge};
}

const MergeTable::Merge* MergeTable::find(int32_t left, int32_t right) const {
  const Slot& slot = slots_[slot_of(pair_of(left, right))];
  return slot.pair == kNoPair ? nullptr : &slot.merge;
}

size_t MergeTable::slot_of(uint64_t pair) const {
  const size_t mask = slots_.size() - 1;
  // Fibonacci hashing: the upper bits of the product depend on all bits of the pair.
  size_t slot = (pair * 0x9E3779B97F4A7C15u >> 32) & mask;
  while (slots_[slot].pair != kNoPair && slots_[slot].pair != pair) slot = (slot + 1) & mask;
  return slot;
}

Bpe::Bpe(Vocabulary vocabulary, MergeTable merges, const BpeOptions& options)
    : vocabulary_(std::move(vocabulary)), merges_(std::move(merges)), options_(options) {
  for (int byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] = vocabulary_.find(utf8_of(character_of(static_cast<uint8_t>(byte))));
    if (!byte_ids_[byte]) byte_ids_[byte] = options_.unknown;
  }
}

void Bpe::encode(std::string_view word, std::vector<int32_t>& ids) {
  if (word.size() > kMaxKnownLength) {
    const std::vector<int32_t> made = encode_new(word);
    ids.insert(ids.end(), made.begin(), made.end());
    return;
  }
  auto known = known_words_.find(std::string(word));
  if (known == known_words_.end()) {
    if (known_words_.size() >= kMaxKnownWords) known_words_.clear();
    known = known_words_.emplace(word, encode_new(word)).first;
  }
  ids.insert(ids.end(), known->second.begin(), known->second.end());
}

std::vector<int32_t> Bpe::encode_new(std::string_view word) const {
  if (options_.ignore_merges)
    if (const auto whole = vocabulary_.find(to_byte_level(word))) return {*whole};
  std::vector<int32_t> ids;
  for (char byte : word)
    if (const auto id = byte_ids_[static_cast<uint8_t>(byte)]) ids.push_back(*id);
  return SymbolList(std::move(ids), merges_).merge_all();
}

}  // namespace gesso::bpe
