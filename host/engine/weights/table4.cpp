#include "engine/weights/table4.hpp"

#include "engine/weights/clones.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gesso::weights {

const Table16 kNf4Table = {-1.0f,
                           -0.6961928009986877f,
                           -0.5250730514526367f,
                           -0.39491748809814453f,
                           -0.28444138169288635f,
                           -0.18477343022823334f,
                           -0.09105003625154495f,
                           0.0f,
                           0.07958029955625534f,
                           0.16093020141124725f,
                           0.24611230194568634f,
                           0.33791524171829224f,
                           0.44070982933044434f,
                           0.5626170039176941f,
                           0.7229568362236023f,
                           1.0f};

// 0, 0.0625, 8, 12, 4, 6, 2, 3, and the same with the sign bit, over 12.
const Table16 kFp4Table = {0.0f / 12,  0.0625f / 12,  8.0f / 12,  12.0f / 12,
                           4.0f / 12,  6.0f / 12,     2.0f / 12,  3.0f / 12,
                           -0.0f / 12, -0.0625f / 12, -8.0f / 12, -12.0f / 12,
                           -4.0f / 12, -6.0f / 12,    -2.0f / 12, -3.0f / 12};

namespace {

/// Point `i` of `count` evenly spaced ones in [0.1, 1], counted from the nearer end as torch does.
float spaced(int i, int count) {
  const float step = (1.0f - 0.1f) / static_cast<float>(count - 1);
  return i < count / 2 ? 0.1f + step * static_cast<float>(i)
                       : 1.0f - step * static_cast<float>(count - 1 - i);
}

std::array<float, 256> make_dynamic_table() {
  std::array<float, 256> table{};
  size_t at = 0;
  for (int exponent = 0; exponent < 7; ++exponent) {
    const int count = 1 << exponent;
    for (int i = 0; i < count; ++i) {
      const float mean = (spaced(i, count + 1) + spaced(i + 1, count + 1)) / 2.0f;
      const auto value =
          static_cast<float>(std::pow(10.0, exponent - 6) * static_cast<double>(mean));
      table[at++] = value;
      table[at++] = -value;
    }
  }
  table[at++] = 0.0f;
  table[at++] = 1.0f;
  std::sort(table.begin(), table.end());
  return table;
}

float largest_magnitude(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

float inverse(float magnitude) { return magnitude > 0 ? 1.0f / magnitude : 0.0f; }

}  // namespace

const std::array<float, 256>& dynamic_table() {
  static const std::array<float, 256> table = make_dynamic_table();
  return table;
}

NearestCode::NearestCode(std::span<const float> table) {
  codes_.resize(table.size());
  std::iota(codes_.begin(), codes_.end(), uint8_t{0});
  std::stable_sort(codes_.begin(), codes_.end(),
                   [&](uint8_t a, uint8_t b) { return table[a] < table[b]; });
  // The two zeros of FP4 stay apart, as in bitsandbytes: its second one is for what is above 0.
  for (size_t i = 0; i + 1 < codes_.size(); ++i) {
    middles_.push_back((table[codes_[i]] + table[codes_[i + 1]]) / 2.0f);
  }
}

uint8_t NearestCode::operator()(float value) const {
  const auto above = std::lower_bound(middles_.begin(), middles_.end(), value);
  return codes_[static_cast<size_t>(above - middles_.begin())];
}

namespace {

GESSO_CLONES void count_below(const float* values, int64_t count, float factor,
                              const float* middles, int64_t n_middles, int32_t* ranks) {
  for (int64_t i = 0; i < count; ++i) ranks[i] = 0;
  for (int64_t k = 0; k < n_middles; ++k) {
    const float middle = middles[k];
    for (int64_t i = 0; i < count; ++i) ranks[i] += values[i] * factor > middle ? 1 : 0;
  }
}

}  // namespace

void NearestCode::operator()(std::span<const float> values, float factor, uint8_t* codes) const {
  constexpr size_t kPiece = 64;
  int32_t ranks[kPiece];
  for (size_t begin = 0; begin < values.size(); begin += kPiece) {
    const auto part = values.subspan(begin, std::min(kPiece, values.size() - begin));
    count_below(part.data(), static_cast<int64_t>(part.size()), factor, middles_.data(),
                static_cast<int64_t>(middles_.size()), ranks);
    for (size_t i = 0; i < part.size(); ++i) {
      codes[begin + i] = codes_[static_cast<size_t>(ranks[i])];
    }
  }
}

void quantise_table4(const Table16& table, std::span<const float> values, int64_t block,
                     std::byte* codes, float* magnitudes) {
  const NearestCode nearest(table);
  std::vector<uint8_t> single(static_cast<size_t>(block) + 1);
  for (size_t begin = 0; begin < values.size(); begin += static_cast<size_t>(block)) {
    const auto part =
        values.subspan(begin, std::min(static_cast<size_t>(block), values.size() - begin));
    const float magnitude = largest_magnitude(part), factor = inverse(magnitude);
    *magnitudes++ = magnitude;
    nearest(part, factor, single.data());
    if (part.size() % 2) single[part.size()] = nearest(0.0f);
    for (size_t i = 0; i < part.size(); i += 2) {
      *codes++ = static_cast<std::byte>(single[i] << 4 | single[i + 1]);
    }
  }
}

NestedMagnitudes quantise_magnitudes(std::span<const float> magnitudes, int64_t block) {
  NestedMagnitudes nested;
  const NearestCode nearest(dynamic_table());
  double sum = 0;
  for (const float magnitude : magnitudes) sum += static_cast<double>(magnitude);
  if (!magnitudes.empty()) {
    nested.offset = static_cast<float>(sum / static_cast<double>(magnitudes.size()));
  }
  std::vector<float> centred(magnitudes.begin(), magnitudes.end());
  for (float& value : centred) value -= nested.offset;
  for (size_t begin = 0; begin < centred.size(); begin += static_cast<size_t>(block)) {
    const auto part = std::span(centred).subspan(
        begin, std::min(static_cast<size_t>(block), centred.size() - begin));
    const float magnitude = largest_magnitude(part), factor = inverse(magnitude);
    nested.magnitudes.push_back(magnitude);
    for (const float value : part) nested.codes.push_back(nearest(value * factor));
  }
  return nested;
}

}  // namespace gesso::weights
