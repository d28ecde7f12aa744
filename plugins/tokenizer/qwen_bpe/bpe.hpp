// Byte pair encoding of single words.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "vocabulary.hpp"

namespace gesso::bpe {

/// Which pairs of tokens become one, in the order of the file: the lower the rank, the earlier.
class MergeTable {
 public:
  struct Merge {
    int32_t rank, id;
  };
  explicit MergeTable(size_t count);
  /// A pair that is there already gets the new values.
  void add(int32_t left, int32_t right, Merge merge);
  const Merge* find(int32_t left, int32_t right) const;

 private:
  struct Slot {
    uint64_t pair;
    Merge merge;
  };
  size_t slot_of(uint64_t pair) const;
  std::vector<Slot> slots_;  // open addressing; a power of two, never full
};

struct BpeOptions {
  std::optional<int32_t> unknown;  // id for a byte that the vocabulary lacks; none: it is dropped
  bool ignore_merges = false;      // a word that is a token is not taken apart first
};

class Bpe {
 public:
  Bpe(Vocabulary vocabulary, MergeTable merges, const BpeOptions& options);

  /// Appends the ids of one word, given as its plain bytes. Words of any length take time in
  /// proportion to n log n. Short words are remembered; so one call at a time.
  void encode(std::string_view word, std::vector<int32_t>& ids);

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  std::vector<int32_t> encode_new(std::string_view word) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::array<std::optional<int32_t>, 256> byte_ids_;
  std::unordered_map<std::string, std::vector<int32_t>> known_words_;
};

}  // namespace gesso::bpe
