// One axis of Pillow's bilinear resize, in its integers: which inputs make an output, and how much
// each of them counts. The host and image encoders resize with the same numbers.
//
// Source: Pillow, src/libImaging/Resample.c.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace gesso::bilinear {

/// Weights have 22 bits behind the point: 32 minus 8 for a pixel minus 2 of room.
inline constexpr int kBits = 32 - 8 - 2;
/// What a sum of weighted pixels begins with, so that `pixel` rounds it.
inline constexpr int32_t kHalf = 1 << (kBits - 1);

struct Tap {
  int64_t first = 0;
  std::vector<int32_t> weights;
  int64_t end() const { return first + static_cast<int64_t>(weights.size()); }
};

/// @param scale  inputs per output; above 1 the triangle filter is as wide as that
inline Tap tap_of(int64_t output, int64_t in_size, double scale) {
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
    const double share = sum != 0 ? weight / sum : weight;
    tap.weights.push_back(static_cast<int32_t>(share * (1 << kBits) + 0.5));
  }
  return tap;
}

inline uint8_t pixel(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kBits, 0, 255)); }

}  // namespace gesso::bilinear
