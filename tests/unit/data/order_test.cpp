// The order of an epoch: complete, seeded, the same for all workers.
#include "engine/data/order.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>

using namespace gesso::data;

namespace {

std::vector<size_t> rows(size_t count) {
  std::vector<size_t> list(count);
  std::iota(list.begin(), list.end(), size_t{0});
  return list;
}

/// Every third row is tall; captions have the length of their row.
Extent extent(size_t row) { return {64, row % 3 == 0 ? 128 : 64, row}; }

std::vector<size_t> flat(const std::vector<std::vector<Showing>>& batches) {
  std::vector<size_t> list;
  for (const auto& batch : batches) {
    for (const Showing& showing : batch) list.push_back(showing.row);
  }
  return list;
}

}  // namespace

TEST_CASE("an epoch shows each row as often as it is repeated") {
  for (const size_t batch : {1, 3, 4}) {
    CAPTURE(batch);
    auto shown =
        flat(plan_epoch(rows(17), 0, {.repeat = 3, .seed = 5, .batch_size = batch}, extent));
    std::ranges::sort(shown);
    std::vector<size_t> expected;
    for (size_t row = 0; row < 17; ++row) expected.insert(expected.end(), 3, row);
    CHECK(shown == expected);
  }
}

TEST_CASE("the order is a function of seed and epoch") {
  const OrderOptions options{.repeat = 2, .seed = 5, .batch_size = 4};
  CHECK(plan_epoch(rows(50), 3, options, extent) == plan_epoch(rows(50), 3, options, extent));
  CHECK(plan_epoch(rows(50), 3, options, extent) != plan_epoch(rows(50), 4, options, extent));
  OrderOptions other = options;
  other.seed = 6;
  CHECK(plan_epoch(rows(50), 3, options, extent) != plan_epoch(rows(50), 3, other, extent));
}

TEST_CASE("without shuffling rows come as they are") {
  CHECK(flat(plan_epoch(rows(5), 2, {.shuffle = false}, extent)) == rows(5));
}

TEST_CASE("a batch has one size and like captions") {
  const auto batches = plan_epoch(rows(96), 0, {.seed = 1, .batch_size = 4}, extent);
  size_t spread = 0;
  for (const auto& batch : batches) {
    size_t low = 1000, high = 0;
    for (const Showing& showing : batch) {
      CHECK(extent(showing.row).height == extent(batch.front().row).height);
      low = std::min(low, showing.row);
      high = std::max(high, showing.row);
    }
    spread += high - low;
  }
  CHECK(batches.size() == 24);  // 32 tall rows, 64 square ones
  CHECK(spread / batches.size() < 20);
}

TEST_CASE("two workers share what one worker with batches twice as large sees") {
  const auto one = plan_epoch(rows(30), 0, {.seed = 9, .batch_size = 4}, extent);
  const auto two = plan_epoch(rows(30), 0, {.seed = 9, .batch_size = 2, .workers = 2}, extent);
  CHECK(one == two);
}

TEST_CASE("what is left over of a size is filled up for all workers") {
  const auto batches = plan_epoch(rows(5), 0, {.batch_size = 1, .workers = 3}, [](size_t) {
    return Extent{64, 64, 1};
  });
  REQUIRE(batches.size() == 2);
  std::map<size_t, int> shown;
  for (const size_t row : flat(batches)) ++shown[row];
  CHECK(shown.size() == 5);
  for (const auto& batch : batches) CHECK(batch.size() == 3);
}

TEST_CASE("mixed numbers do not repeat") {
  CHECK(mixed(1, 2) == mixed(1, 2));
  CHECK(mixed(1, 2) != mixed(2, 1));
  CHECK(mixed(1, 2, 0) != mixed(1, 2, 1));
}
