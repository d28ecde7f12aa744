// DoRA: a LoRA, and the length that each row (or column) of the new weight has:
//
//   W' = magnitude * (W + B A alpha / rank) / norm(W + B A alpha / rank)
//
// A magnitude of shape [out, 1] or [out] is of rows, one of [1, in] of columns. Modules without
// magnitude are plain LoRAs. The host scales what changed: W + scale * (W' - W).
//
// No parameters. Example:
//   [[adapters]]
//   path = "style-dora.safetensors"
//
// Source: docs/numerics.md; LyCORIS, modules/locon.py (weight decomposition).
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "adapter/whole.hpp"
#include "gesso/cpp/plugin.hpp"
#include "gesso/cpp/torch.hpp"

namespace gesso::dora {
namespace {

class Source : public Component<Source, DeltaSourceInterface, DeltaTrainingInterface> {
 public:
  static constexpr Info info{
      .id = "org.gesso.dora.source",
      .kind = "delta_source",
      .name = "DoRA",
      .version = "1.0.0",
      .summary = "Updates of low rank with the length of each row or column of the new weight"};
  std::unique_ptr<DeltaSet> open(std::span<const gesso_named_tensor_t> tensors,
                                 std::span<const gesso_target_t> targets) {
    return adapter::open_whole(tensors, targets, "dora", adapter::low_rank_update);
  }

  static constexpr const char* kinds[] = {"dora", nullptr};
  /// PEFT's names and beginning: A random, B zero, the length of each row as it is.
  std::vector<NamedPart> begin(const NewDelta& of) {
    const std::string name = of.target.name;
    const int64_t in = of.target.in_features, out = of.target.out_features;
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    std::vector<NamedPart> parts;
    parts.push_back({name + ".lora_A.default.weight",
                     torch::give(adapter::uniform({of.rank, in}, bound, of.seed))});
    parts.push_back(
        {name + ".lora_B.default.weight", torch::give(at::zeros({out, of.rank}, at::kFloat))});
    parts.push_back({name + ".lora_magnitude_vector.default.weight",
                     torch::give(at::linalg_vector_norm(torch::borrow(of.base), 2, {1}))});
    return parts;
  }
  std::vector<NamedPart> back(std::span<const gesso_named_tensor_t> parts,
                              const gesso_target_t& target, gesso_tensor_t* base,
                              gesso_tensor_t* weight_grad) {
    return adapter::back_whole(parts, target, base, weight_grad, adapter::low_rank_update);
  }
};

}  // namespace
}  // namespace gesso::dora

GESSO_EXPORT_PLUGIN("org.gesso.dora", "1.0.0", "Gesso", "Apache-2.0", gesso::dora::Source)
