#include "image_encoder/cover_crop.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gesso/cpp/bilinear.hpp"

namespace gesso::image_encoder {
namespace {

using bilinear::Tap;

/// One axis: the taps of the outputs that stay inside the frame.
struct Axis {
  std::vector<Tap> taps;
  int64_t begin() const { return taps.front().first; }
  int64_t end() const { return taps.back().end(); }
};

/// @param factor  of enlargement, the larger one of both axes
Axis axis_of(int64_t in_size, double factor, int64_t frame) {
  // Python's round: halves go to the even neighbour (the default mode of nearbyint).
  const auto cover = static_cast<int64_t>(std::nearbyint(static_cast<double>(in_size) * factor));
  const auto start = static_cast<int64_t>(std::nearbyint(static_cast<double>(cover - frame) / 2));
  const double scale = static_cast<double>(in_size) / static_cast<double>(cover);
  Axis axis;
  for (int64_t i = 0; i < frame; ++i) {
    axis.taps.push_back(bilinear::tap_of(start + i, in_size, scale));
  }
  return axis;
}

void resize_row(const uint8_t* from, const Axis& axis, uint8_t* to) {
  for (const Tap& tap : axis.taps) {
    int32_t sum = bilinear::kHalf;
    for (size_t i = 0; i < tap.weights.size(); ++i) {
      sum += from[tap.first + static_cast<int64_t>(i)] * tap.weights[i];
    }
    *to++ = bilinear::pixel(sum);
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
    std::fill(sums.begin(), sums.end(), bilinear::kHalf);
    const uint8_t* row =
        narrowed.data() + static_cast<size_t>(tap.first - rows.begin()) * out_width;
    for (const int32_t weight : tap.weights) {
      for (size_t x = 0; x < out_width; ++x) sums[x] += row[x] * weight;
      row += out_width;
    }
    to = std::transform(sums.begin(), sums.end(), to, bilinear::pixel);
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
