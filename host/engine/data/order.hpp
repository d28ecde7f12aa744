// Which items an epoch gives in which order, and how they are put together to batches.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/data/dataset.hpp"

namespace gesso::data {

/// A number that is as good as random and always the same for the same inputs.
uint64_t mixed(uint64_t seed, uint64_t a, uint64_t b = 0);

/// One time that a row is shown.
struct Showing {
  size_t row = 0;
  uint64_t number = 0;  // in its epoch, before batches are made: caption dropout goes by it
  bool operator==(const Showing&) const = default;
};

struct OrderOptions {
  uint64_t repeat = 1;
  bool shuffle = true;
  uint64_t seed = 0;
  size_t batch_size = 1;
  uint32_t workers = 1;
  bool by_caption = true;
};

/// The batches of one epoch. Each has batch_size * workers showings of one size, worker by worker;
/// what is left over of a size makes smaller ones, filled up with their own first items to a
/// multiple of `workers`.
///
/// @param extent  asked only where a batch has more than one item
std::vector<std::vector<Showing>> plan_epoch(const std::vector<size_t>& rows, uint64_t epoch,
                                             const OrderOptions& options,
                                             const std::function<Extent(size_t)>& extent);

}  // namespace gesso::data
