#include "engine/data/order.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

namespace gesso::data {
namespace {

// Batches of like caption lengths are cut from so many batches of items: enough to sort them, few
// enough to keep them mixed.
constexpr size_t kSortedBatches = 8;

/// The same on every machine, which std::shuffle does not promise.
template <class T>
void shuffle(std::vector<T>& items, std::mt19937_64& random) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random() % i]);
}

using Batches = std::vector<std::vector<Showing>>;

/// Cuts showings of one size into batches.
void cut(std::vector<Showing> showings, size_t batch, uint32_t workers, Batches& batches) {
  for (size_t at = 0; at < showings.size(); at += batch) {
    const size_t end = std::min(at + batch, showings.size());
    std::vector<Showing> one(showings.begin() + at, showings.begin() + end);
    for (size_t i = 0; one.size() % workers != 0; ++i) one.push_back(one[i]);
    batches.push_back(std::move(one));
  }
}

void sort_by_caption(std::vector<Showing>& showings, size_t window,
                     const std::function<Extent(size_t)>& extent) {
  for (size_t at = 0; at < showings.size(); at += window) {
    const auto begin = showings.begin() + at;
    const auto end = showings.begin() + std::min(at + window, showings.size());
    std::stable_sort(begin, end, [&](const Showing& a, const Showing& b) {
      return extent(a.row).caption < extent(b.row).caption;
    });
  }
}

}  // namespace

// Source: splitmix64 (Steele, Lea, Flood 2014), its finaliser over the three inputs in turn.
uint64_t mixed(uint64_t seed, uint64_t a, uint64_t b) {
  uint64_t state = 0;
  for (const uint64_t input : {seed, a, b}) {
    state += 0x9E3779B97F4A7C15u + input;
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
    state = (state ^ (state >> 27)) * 0x94D049BB133111EBu;
    state ^= state >> 31;
  }
  return state;
}

Batches plan_epoch(const std::vector<size_t>& rows, uint64_t epoch, const OrderOptions& options,
                   const std::function<Extent(size_t)>& extent) {
  std::vector<Showing> showings;
  showings.reserve(rows.size() * options.repeat);
  for (uint64_t time = 0; time < options.repeat; ++time) {
    for (const size_t row : rows) showings.push_back({row, showings.size()});
  }
  std::mt19937_64 random(mixed(options.seed, epoch));
  if (options.shuffle) shuffle(showings, random);

  Batches batches;
  const size_t batch = options.batch_size * options.workers;
  if (batch == 1) {
    cut(std::move(showings), 1, 1, batches);
    return batches;
  }
  std::map<std::pair<int, int>, std::vector<Showing>> sizes;
  for (const Showing& showing : showings) {
    const Extent size = extent(showing.row);
    sizes[{size.height, size.width}].push_back(showing);
  }
  for (auto& [size, same] : sizes) {
    if (options.by_caption && options.shuffle)
      sort_by_caption(same, batch * kSortedBatches, extent);
    cut(std::move(same), batch, options.workers, batches);
  }
  if (options.shuffle) shuffle(batches, random);
  return batches;
}

}  // namespace gesso::data
