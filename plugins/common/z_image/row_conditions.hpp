// Which embedded timestep modulates which rows of a hidden state.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace gesso::z_image {

/// Runs of neighbouring rows, each with one of a few conditions.
struct RowConditions {
  struct Run {
    int64_t rows;
    size_t condition;  ///< place in `conditions_1C`
    bool operator==(const Run&) const = default;
  };

  RowConditions() = default;
  /// The same for all rows.
  RowConditions(at::Tensor condition_1C) : conditions_1C{std::move(condition_1C)} {}
  RowConditions(std::vector<at::Tensor> conditions, std::vector<Run> list)
      : conditions_1C(std::move(conditions)), runs(std::move(list)) {}

  std::vector<at::Tensor> conditions_1C;
  std::vector<Run> runs;  ///< their rows add up to the length; none: all have the first condition
};

}  // namespace gesso::z_image
