// Four bits a number, as bitsandbytes does: a code into a table of 16 numbers in [-1, 1], times the
// largest magnitude of the block. The magnitudes may be quantised again to 8 bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gesso::weights {

using Table16 = std::array<float, 16>;

/// NF4: quantiles of a normal distribution. (Dettmers et al. 2023, appendix E)
extern const Table16 kNf4Table;
/// FP4: sign, 2 bits of exponent, 1 of mantissa, divided by the largest.
extern const Table16 kFp4Table;

/// The table of 256 numbers that magnitudes are quantised with: both signs of seven decades, more
/// numbers the larger they are. (bitsandbytes, create_dynamic_map)
const std::array<float, 256>& dynamic_table();

/// Codes of numbers that were divided by their block's magnitude; the nearest entry, of equally
/// near ones the smaller number.
class NearestCode {
 public:
  explicit NearestCode(std::span<const float> table);
  uint8_t operator()(float value) const;
  /// The same for many values times `factor`: counts the middles below each, without branches.
  void operator()(std::span<const float> values, float factor, uint8_t* codes) const;

 private:
  std::vector<float> middles_;  // between neighbours in `codes_`
  std::vector<uint8_t> codes_;  // by value
};

/// Quantises whole blocks: two codes a byte, the first in the high half.
/// @param magnitudes  of each block, written
void quantise_table4(const Table16& table, std::span<const float> values, int64_t block,
                     std::byte* codes, float* magnitudes);

struct NestedMagnitudes {
  std::vector<uint8_t> codes;
  std::vector<float> magnitudes;  // of each nested block
  float offset = 0;               // the mean, subtracted before
};

NestedMagnitudes quantise_magnitudes(std::span<const float> magnitudes, int64_t block);

}  // namespace gesso::weights
