#include "engine/data/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/data/cache.hpp"
#include "engine/data/order.hpp"
#include "engine/data/picture_dataset.hpp"

namespace gesso::data {

std::shared_ptr<const Dataset> open_dataset(const config::DataPlan& plan) {
  if (plan.metadata_path.empty()) return std::make_shared<const CacheDataset>(plan.base_path);
  return std::make_shared<const PictureDataset>(plan);
}

Split split(const Dataset& dataset, const config::DataPlan& plan) {
  std::vector<size_t> rows(dataset.size());
  std::iota(rows.begin(), rows.end(), size_t{0});
  if (plan.validation_split <= 0 || rows.size() < 2) return {rows, {}};

  const auto wanted = static_cast<size_t>(std::lround(plan.validation_split * rows.size()));
  const size_t held_out = std::clamp<size_t>(wanted, 1, rows.size() - 1);
  std::ranges::stable_sort(rows, {}, [&](size_t row) { return mixed(plan.seed, 0x5A11D, row); });
  Split split{{rows.begin() + held_out, rows.end()}, {rows.begin(), rows.begin() + held_out}};
  std::ranges::sort(split.train);
  std::ranges::sort(split.validation);
  return split;
}

}  // namespace gesso::data
