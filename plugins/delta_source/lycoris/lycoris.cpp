// LyCORIS: updates that are products of small matrices, each in the way that its keys say.
//
//   LoHa   (w1_a w1_b) * (w2_a w2_b), element by element, times alpha / rank
//   LoKr   kron(w1, w2); a factor may be a product of two, then it is times alpha / rank
//   full   diff
//   LoRA   up down, times alpha / rank
//
// With dora_scale the rule of DoRA comes on top. No parameters. Example:
//   [[adapters]]
//   path = "style-lokr.safetensors"
//
// Source: docs/numerics.md; LyCORIS, modules/{loha,lokr,full}.py.
#include <ATen/ops/kron.h>
#include <ATen/ops/matmul.h>

#include "adapter/whole.hpp"
#include "gesso/cpp/plugin.hpp"

namespace gesso::lycoris {
namespace {

using adapter::float_matrix;
using adapter::Module;

at::Tensor product(const Module& module, const std::string& left, const std::string& right) {
  const at::Tensor a = float_matrix(module, left), b = float_matrix(module, right);
  if (a.size(1) == b.size(0)) return at::matmul(a, b);
  throw Error(Status::BadData, module.key(right) + ": expected " + std::to_string(a.size(1)) +
                                   " rows, the rank of " + module.key(left) + ", found " +
                                   std::to_string(b.size(0)));
}

at::Tensor loha(const Module& module) {
  const at::Tensor first = product(module, "hada_w1_a", "hada_w1_b");
  const at::Tensor second = product(module, "hada_w2_a", "hada_w2_b");
  if (first.sizes() != second.sizes()) {
    throw Error(Status::BadData, module.name + ": its two products have the shapes " +
                                     shape_text(first.sizes()) + " and " +
                                     shape_text(second.sizes()) + ", expected equal ones");
  }
  const int64_t rank = adapter::matrix_extents(module.at("hada_w1_b"), "").rows;
  return first.mul(second).mul_(module.alpha_over(rank));
}

at::Tensor lokr(const Module& module) {
  int64_t rank = 0;  // of the last factor that is a product; alpha counts only then
  const auto factor = [&](const std::string& name) {
    if (module.find(name)) return float_matrix(module, name);
    rank = adapter::matrix_extents(module.at(name + "_b"), module.key(name + "_b")).rows;
    return product(module, name + "_a", name + "_b");
  };
  const at::Tensor first = factor("lokr_w1"), second = factor("lokr_w2");
  const at::Tensor update = at::kron(first, second);
  return rank > 0 ? update.mul(module.alpha_over(rank)) : update;
}

at::Tensor update_of(const Module& module, const adapter::Targets& targets) {
  if (module.find(adapter::kDiff)) return float_matrix(module, adapter::kDiff);
  if (module.find("hada_w1_a")) return loha(module);
  if (module.find("lokr_w1") || module.find("lokr_w1_a")) return lokr(module);
  return adapter::low_rank_update(module, targets);
}

class Source : public Component<Source, DeltaSourceInterface> {
 public:
  static constexpr Info info{
      .id = "org.gesso.lycoris.source",
      .kind = "delta_source",
      .name = "LyCORIS",
      .version = "0.1.0",
      .summary = "LoHa, LoKr and full differences, also mixed with LoRA in one file"};
  std::unique_ptr<DeltaSet> open(std::span<const gesso_named_tensor_t> tensors,
                                 std::span<const gesso_target_t> targets) {
    return adapter::open_whole(tensors, targets, "lycoris", update_of);
  }
};

}  // namespace
}  // namespace gesso::lycoris

GESSO_EXPORT_PLUGIN("org.gesso.lycoris", "0.1.0", "Gesso", "Apache-2.0", gesso::lycoris::Source)
