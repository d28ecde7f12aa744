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
#include "adapter/whole.hpp"
#include "gesso/cpp/plugin.hpp"

namespace gesso::dora {
namespace {

class Source : public Component<Source, DeltaSourceInterface> {
 public:
  static constexpr Info info{
      .id = "org.gesso.dora.source",
      .kind = "delta_source",
      .name = "DoRA",
      .version = "0.1.0",
      .summary = "Updates of low rank with the length of each row or column of the new weight"};
  std::unique_ptr<DeltaSet> open(std::span<const gesso_named_tensor_t> tensors,
                                 std::span<const gesso_target_t> targets) {
    return adapter::open_whole(tensors, targets, "dora", adapter::low_rank_update);
  }
};

}  // namespace
}  // namespace gesso::dora

GESSO_EXPORT_PLUGIN("org.gesso.dora", "0.1.0", "Gesso", "Apache-2.0", gesso::dora::Source)
