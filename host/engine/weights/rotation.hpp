// The rotation that ConvRot applies to rows of a weight before it is quantised.
#pragma once

#include <cstdint>

namespace gesso::weights {

/// The largest group that can be rotated at once.
inline constexpr int64_t kMaxRotation = 4096;

/// 4, 16, 64 ... kMaxRotation.
bool is_rotation(int64_t group);

/// Multiplies each `group` of `values` by a symmetric, orthonormal Hadamard matrix: the Kronecker
/// power of [[1,1,1,-1],[1,1,-1,1],[1,-1,1,1],[-1,1,1,1]] / 2. Twice is the identity.
void rotate(float* values, int64_t count, int64_t group);

}  // namespace gesso::weights
