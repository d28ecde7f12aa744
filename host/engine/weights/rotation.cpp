#include "engine/weights/rotation.hpp"

namespace gesso::weights {

bool is_rotation(int64_t group) {
  for (int64_t power = 4; power <= kMaxRotation; power *= 4) {
    if (power == group) return true;
  }
  return false;
}

void rotate(float* values, int64_t count, int64_t group) {
  for (int64_t stride = 1; stride < group; stride *= 4) {  // one factor of the product at a time
    for (int64_t base = 0; base < count; base += 4 * stride) {
      for (int64_t i = base; i < base + stride; ++i) {
        float* v = values + i;
        const float a = v[0], b = v[stride], c = v[2 * stride], d = v[3 * stride];
        const float ab = (a + b) / 2, cd = (c + d) / 2;
        const float a_b = (a - b) / 2, c_d = (c - d) / 2;
        v[0] = ab + c_d;
        v[stride] = ab - c_d;
        v[2 * stride] = a_b + cd;
        v[3 * stride] = cd - a_b;
      }
    }
  }
}

}  // namespace gesso::weights
