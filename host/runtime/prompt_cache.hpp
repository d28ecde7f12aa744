// What the composer made of prompts, so that a prompt that comes again is not encoded again.
#pragma once

#include <ATen/core/Tensor.h>

#include <list>
#include <string>

namespace gesso::runtime {

/// One text as the denoiser gets it.
struct ComposedText {
  at::Tensor features, ids, segments;  // the latter two undefined where the composer gives none
};

/// Holds the texts used last, within bounds of number and bytes. A key is the text with everything
/// else that the composer reads; whoever changes the encoder's weights clears.
class PromptCache {
 public:
  /// Null: not there. Valid until the next `keep`.
  const ComposedText* find(const std::string& key);
  void keep(const std::string& key, ComposedText text);
  void clear() { entries_.clear(); }

 private:
  struct Entry {
    std::string key;
    ComposedText text;
  };
  static size_t bytes_of(const Entry& entry);
  std::list<Entry> entries_;  // the one used last in front
};

}  // namespace gesso::runtime
