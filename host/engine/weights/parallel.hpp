// A loop over elements, shared among threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace gesso::weights {

/// Calls `work(begin, end)` for shares of [0, count); each begins at a multiple of `step`. Another
/// thread is started for every `per_thread` elements, up to `threads`; 0: as many as the machine
/// has. `work` must not throw.
template <class Work>
void in_parallel(int64_t count, int64_t step, int64_t per_thread, unsigned threads,
                 const Work& work) {
  const int64_t available = threads ? threads : std::max(1u, std::thread::hardware_concurrency());
  const int64_t workers =
      std::clamp<int64_t>(count / std::max<int64_t>(per_thread, 1), 1, available);
  const int64_t share =
      std::max<int64_t>((count + workers * step - 1) / (workers * step), 1) * step;
  std::vector<std::jthread> others;
  for (int64_t begin = share; begin < count; begin += share) {
    others.emplace_back(work, begin, std::min(begin + share, count));
  }
  work(int64_t{0}, std::min(share, count));
}

}  // namespace gesso::weights
