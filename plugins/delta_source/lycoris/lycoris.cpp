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
#include <ATen/ops/zeros.h>

#include <cmath>

#include "adapter/whole.hpp"
#include "gesso/cpp/plugin.hpp"
#include "gesso/cpp/torch.hpp"

namespace gesso::lycoris {
namespace {

using adapter::Module;
using adapter::Parts;

at::Tensor product(const Parts& parts, const std::string& left, const std::string& right) {
  const Module& module = parts.module;
  const at::Tensor a = parts.matrix(left), b = parts.matrix(right);
  if (a.size(1) == b.size(0)) return at::matmul(a, b);
  throw Error(Status::BadData, module.key(right) + ": expected " + std::to_string(a.size(1)) +
                                   " rows, the rank of " + module.key(left) + ", found " +
                                   std::to_string(b.size(0)));
}

at::Tensor loha(const Parts& parts) {
  const Module& module = parts.module;
  const at::Tensor first = product(parts, "hada_w1_a", "hada_w1_b");
  const at::Tensor second = product(parts, "hada_w2_a", "hada_w2_b");
  if (first.sizes() != second.sizes()) {
    throw Error(Status::BadData, module.name + ": its two products have the shapes " +
                                     shape_text(first.sizes()) + " and " +
                                     shape_text(second.sizes()) + ", expected equal ones");
  }
  const int64_t rank = adapter::matrix_extents(module.at("hada_w1_b"), "").rows;
  return first.mul(second).mul(module.alpha_over(rank));
}

at::Tensor lokr(const Parts& parts) {
  const Module& module = parts.module;
  int64_t rank = 0;  // of the last factor that is a product; alpha counts only then
  const auto factor = [&](const std::string& name) {
    if (module.find(name)) return parts.matrix(name);
    rank = adapter::matrix_extents(module.at(name + "_b"), module.key(name + "_b")).rows;
    return product(parts, name + "_a", name + "_b");
  };
  const at::Tensor first = factor("lokr_w1"), second = factor("lokr_w2");
  const at::Tensor update = at::kron(first, second);
  return rank > 0 ? update.mul(module.alpha_over(rank)) : update;
}

at::Tensor update_of(const Parts& parts, const adapter::Targets& targets) {
  const Module& module = parts.module;
  if (module.find(adapter::kDiff)) return parts.matrix(adapter::kDiff);
  if (module.find("hada_w1_a")) return loha(parts);
  if (module.find("lokr_w1") || module.find("lokr_w1_a")) return lokr(parts);
  return adapter::low_rank_update(parts, targets);
}

/// The largest divisor up to the square root: the factors of a product are as even as they can be.
int64_t small_factor(int64_t extent) {
  int64_t best = 1;
  for (int64_t d = 1; d * d <= extent; ++d) {
    if (extent % d == 0) best = d;
  }
  return best;
}

class Source : public Component<Source, DeltaSourceInterface, DeltaTrainingInterface> {
 public:
  static constexpr Info info{
      .id = "org.gesso.lycoris.source",
      .kind = "delta_source",
      .name = "LyCORIS",
      .version = "1.0.0",
      .summary = "LoHa, LoKr and full differences, also mixed with LoRA in one file"};
  std::unique_ptr<DeltaSet> open(std::span<const gesso_named_tensor_t> tensors,
                                 std::span<const gesso_target_t> targets) {
    return adapter::open_whole(tensors, targets, "lycoris", update_of);
  }

  static constexpr const char* kinds[] = {"lokr", nullptr};
  /// W1 and one factor of W2 random, the other zero; W2 is whole where that is no larger.
  std::vector<NamedPart> begin(const NewDelta& of) {
    const std::string name = std::string(of.target.name) + ".lokr_w";
    const int64_t rows = small_factor(of.target.out_features),
                  columns = small_factor(of.target.in_features);
    const int64_t out = of.target.out_features / rows, in = of.target.in_features / columns;
    std::vector<NamedPart> parts;
    const auto add_random = [&](const char* part, int64_t n_rows, int64_t n_columns,
                                uint64_t seed) {
      const double bound = 1 / std::sqrt(static_cast<double>(n_columns));
      parts.push_back(
          {name + part, torch::give(adapter::uniform({n_rows, n_columns}, bound, seed))});
    };
    const auto add_zeros = [&](const char* part, int64_t n_rows, int64_t n_columns) {
      parts.push_back({name + part, torch::give(at::zeros({n_rows, n_columns}, at::kFloat))});
    };
    add_random("1", rows, columns, of.seed);
    if (of.rank * (out + in) < out * in) {
      add_random("2_a", out, of.rank, of.seed + 1);
      add_zeros("2_b", of.rank, in);
    } else {
      add_zeros("2", out, in);
    }
    return parts;
  }
  std::vector<NamedPart> back(std::span<const gesso_named_tensor_t> parts,
                              const gesso_target_t& target, gesso_tensor_t* base,
                              gesso_tensor_t* weight_grad) {
    return adapter::back_whole(parts, target, base, weight_grad, update_of);
  }
};

}  // namespace
}  // namespace gesso::lycoris

GESSO_EXPORT_PLUGIN("org.gesso.lycoris", "1.0.0", "Gesso", "Apache-2.0", gesso::lycoris::Source)
