#include "runtime/prompt_cache.hpp"

#include <algorithm>

namespace gesso::runtime {
namespace {

constexpr size_t kMostEntries = 64;
constexpr size_t kMostBytes = size_t{128} << 20;  // a long prompt of Qwen3-4B takes 2.6 MB

}  // namespace

const ComposedText* PromptCache::find(const std::string& key) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return &entries_.front().text;
}

size_t PromptCache::bytes_of(const Entry& entry) {
  size_t bytes = entry.key.size();
  for (const at::Tensor& tensor : {entry.text.features, entry.text.ids, entry.text.segments}) {
    if (tensor.defined()) bytes += tensor.nbytes();
  }
  return bytes;
}

void PromptCache::keep(const std::string& key, ComposedText text) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.key == key; });
  entries_.push_front({key, std::move(text)});
  size_t bytes = 0, count = 0;
  auto last = entries_.begin();
  for (; last != entries_.end() && count < kMostEntries; ++last, ++count) {
    bytes += bytes_of(*last);
    if (bytes > kMostBytes && count > 0) break;
  }
  entries_.erase(last, entries_.end());
}

}  // namespace gesso::runtime
