// Token texts and their ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gesso::bpe {

/// A two-way table, made for hundreds of thousands of tokens: one block of text, one hash table.
class Vocabulary {
 public:
  /// @throws Error  BadData for an id below 0 or beyond kMaxId
  void add(std::string_view text, int64_t id);

  std::optional<int32_t> find(std::string_view text) const;

  /// The same, faster when `guess` is right.
  std::optional<int32_t> find(std::string_view text, int32_t guess) const;

  /// Nothing when no token has this id.
  std::optional<std::string_view> text(int32_t id) const;

  /// One more than the largest id, 0 when empty.
  size_t end_id() const { return spans_.size(); }

  static constexpr int64_t kMaxId = (int64_t{1} << 24) - 1;

 private:
  struct Span {
    uint32_t begin = 0, length = kAbsent;
  };
  static constexpr uint32_t kAbsent = UINT32_MAX;
  struct Slot {
    uint32_t hash = 0;
    int32_t id = kEmpty;
  };
  static constexpr int32_t kEmpty = -1;

  std::string_view text_of(int32_t id) const;
  size_t slot_of(std::string_view text, uint32_t hash) const;
  void grow();

  std::string texts_;
  std::vector<Span> spans_;  // by id
  std::vector<Slot> slots_;  // open addressing; a power of two, at most half full
  size_t count_ = 0;         // slots in use
};

}  // namespace gesso::bpe
