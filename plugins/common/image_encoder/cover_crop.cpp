#include "image_encoder/cover_crop.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace gesso::image_encoder {
namespace {

// Weights are integers with 22 bits behind the point: 32 minus 8 for a pixel minus 2 of room.
constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

/// Which inputs make one output, and how much each of them counts.
struct Tap {
  int64_t first = 0;
  std::vector<int32_t> weights;
  int64_t end() const { return first + static_cast<int64_t>(weights.size()); }
};

/// One axis: the taps of the outputs that stay inside the frame.
struct Axis {
  std::vector<Tap> taps;
  int64_t begin() const { return taps.front().first; }
  int64_t end() const { return taps.back().end(); }
};

Tap tap_of(int64_t output, int64_t in_size, double scale) {
  const double reach = std::max(scale, 1.0);
  const double center = (static_cast<double>(output) + 0.5) * scale;
  const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(center - reach + 0.5));
  const int64_t last = std::min(in_size, static_cast<int64_t>(center + reach + 0.5));

  std::vector<double> weights;
  double sum = 0;
  for (int64_t i = first; i < last; ++i) {
    const double distance = (static_cast<double>(i) - center + 0.5) * (1.0 / reach);
    weights.push_back(std::max(0.0, 1.0 - std::abs(distance)));
    sum += weights.back();
  }
  Tap tap{first, {}};
  for (const double weight : weights) {
    tap.weights.push_back(static_cast<int32_t>(weight / sum * (1 << kPrecisionBits) + 0.5));
  }
  return tap;
}

/// @param factor  of enlargement, the larger one of both axes
Axis axis_of(int64_t in_size, double factor, int64_t frame) {
  // Python's round: halves go to the even neighbour (the default mode of nearbyint).
  const auto cover = static_cast<int64_t>(std::nearbyint(static_cast<double>(in_size) * factor));
  const auto start = static_cast<int64_t>(std::nearbyint(static_cast<double>(cover - frame) / 2));
  const double scale = static_cast<double>(in_size) / static_cast<double>(cover);
  Axis axis;
  for (int64_t i = 0; i < frame; ++i) axis.taps.push_back(tap_of(start + i, in_size, scale));
  return axis;
}

uint8_t clip8(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

void resize_row(const uint8_t* from, const Axis& axis, uint8_t* to) {
  for (const Tap& tap : axis.taps) {
    int32_t sum = kHalf;
    for (size_t i = 0; i < tap.weights.size(); ++i) {
      sum += from[tap.first + static_cast<int64_t>(i)] * tap.weights[i];
    }
    *to++ = clip8(sum);
  }
}

/// One channel: rows of the picture become rows of the frame's width, these are mixed downwards.
void resize_plane(const uint8_t* from, int64_t width, const Axis& rows, const Axis& columns,
                  uint8_t* to) {
  const size_t out_width = columns.taps.size();
  std::vector<uint8_t> narrowed(static_cast<size_t>(rows.end() - rows.begin()) * out_width);
  for (int64_t y = rows.begin(); y < rows.end(); ++y) {
    uint8_t* out = narrowed.data() + static_cast<size_t>(y - rows.begin()) * out_width;
    resize_row(from + y * width, columns, out);
  }
  std::vector<int32_t> sums(out_width);
  for (const Tap& tap : rows.taps) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const uint8_t* row =
        narrowed.data() + static_cast<size_t>(tap.first - rows.begin()) * out_width;
    for (const int32_t weight : tap.weights) {
      for (size_t x = 0; x < out_width; ++x) sums[x] += row[x] * weight;
      row += out_width;
    }
    to = std::transform(sums.begin(), sums.end(), to, clip8);
  }
}

}  // namespace

at::Tensor cover_crop(const at::Tensor& bytes_3HW, Size frame) {
  const at::Tensor picture = bytes_3HW.contiguous();
  const int64_t height = picture.size(1), width = picture.size(2);
  const double factor = std::max(static_cast<double>(frame.width) / static_cast<double>(width),
                                 static_cast<double>(frame.height) / static_cast<double>(height));
  const Axis rows = axis_of(height, factor, frame.height);
  const Axis columns = axis_of(width, factor, frame.width);
  at::Tensor out = at::empty({picture.size(0), frame.height, frame.width}, picture.options());
  for (int64_t channel = 0; channel < picture.size(0); ++channel) {
    resize_plane(picture.const_data_ptr<uint8_t>() + channel * height * width, width, rows, columns,
                 out.mutable_data_ptr<uint8_t>() + channel * frame.height * frame.width);
  }
  return out;
}

}  // namespace gesso::image_encoder
