#include "runtime/with_delta.hpp"

#include <ATen/ops/mm.h>

namespace gesso::runtime {

at::Tensor with_delta(const at::Tensor& base, const WeightDelta& delta) {
  if (delta.a.defined()) {
    return at::mm(delta.b.to(at::kFloat), delta.a.to(at::kFloat)).mul_(delta.scale).add_(base);
  }
  const at::Tensor whole = delta.replace(base);
  return delta.scale == 1 ? whole : base + (whole - base) * delta.scale;
}

}  // namespace gesso::runtime
