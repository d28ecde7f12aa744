// LoRA: updates of low rank, y += scale * alpha / rank * (x A^T) B^T, in every dialect of names
// that files of the Z-Image family have (plugins/common/adapter/keys.hpp). A LoRA on a fused
// projection "qkv" becomes three: they share A and have each a third of the rows of B.
//
// No parameters; alpha is 1 * rank when the file has none. Needs no libtorch.
//
// Example:
//   [[adapters]]
//   path = "style.safetensors"
//   scale = 0.8
//
// Source: DiffSynth-Studio, utils/lora/general.py; diffusers, loaders/lora_conversion_utils.py.
#include <array>
#include <deque>

#include "adapter/modules.hpp"
#include "gesso/cpp/plugin.hpp"

namespace gesso::lora {
namespace {

/// Some rows of a matrix that somebody else owns.
class Rows {
 public:
  Rows(const DLTensor& matrix, adapter::Extents extents, int64_t part, int64_t parts)
      : shape_{extents.rows / parts, extents.columns}, strides_{extents.columns, 1} {
    if (!is_contiguous(matrix)) throw Error(Status::Incompatible, "a part is not contiguous");
    const auto row_bytes = static_cast<uint64_t>(extents.columns) * matrix.dtype.bits / 8;
    tensor_.version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION};
    tensor_.dl_tensor = matrix;
    tensor_.dl_tensor.ndim = 2;
    tensor_.dl_tensor.shape = shape_.data();
    tensor_.dl_tensor.strides = strides_.data();
    tensor_.dl_tensor.byte_offset += static_cast<uint64_t>(part * shape_[0]) * row_bytes;
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  gesso_tensor_t* get() { return &tensor_; }

 private:
  std::array<int64_t, 2> shape_, strides_;
  gesso_tensor_t tensor_{};
};

class LoraSet : public DeltaSet {
 public:
  LoraSet(std::span<const gesso_named_tensor_t> tensors,
          std::span<const gesso_target_t> target_list) {
    const adapter::Targets targets(target_list);
    const adapter::Modules modules = adapter::group(tensors, targets);
    for (const adapter::Module& module : modules.list) add(module, targets);
    adapter::add_unmatched(modules, *this);
  }

 private:
  void add(const adapter::Module& module, const adapter::Targets& targets) {
    for (const auto& [part, tensor] : module.parts) {
      const bool known = part == adapter::kDown || part == adapter::kUp || part == adapter::kAlpha;
      if (!known) entries.push_back({GESSO_TARGET_NONE, tensor->name, {}});
    }
    const adapter::Pair pair = adapter::read_pair(module, targets);
    for (const adapter::Slice& slice : module.slices) {
      Rows& down = rows_.emplace_back(module.at(adapter::kDown), pair.down, 0, 1);
      Rows& up = rows_.emplace_back(module.at(adapter::kUp), pair.up, slice.part, slice.parts);
      auto& parts = parts_.emplace_back(std::array{down.get(), up.get()});
      entries.push_back({slice.target, module.key(adapter::kUp), {}});
      gesso_delta_t& delta = entries.back().delta;
      delta.form = GESSO_DELTA_LOW_RANK;
      delta.scale = module.alpha_over(pair.rank());
      delta.parts = parts.data();
      delta.n_parts = 2;
    }
  }

  std::deque<Rows> rows_;
  std::deque<std::array<gesso_tensor_t*, 2>> parts_;
};

class Source : public Component<Source, DeltaSourceInterface> {
 public:
  static constexpr Info info{.id = "org.gesso.lora.source",
                             .kind = "delta_source",
                             .name = "LoRA",
                             .version = "1.0.0",
                             .summary = "Updates of low rank, in every dialect of names"};
  std::unique_ptr<DeltaSet> open(std::span<const gesso_named_tensor_t> tensors,
                                 std::span<const gesso_target_t> targets) {
    return std::make_unique<LoraSet>(tensors, targets);
  }
};

}  // namespace
}  // namespace gesso::lora

GESSO_EXPORT_PLUGIN("org.gesso.lora", "1.0.0", "Gesso", "Apache-2.0", gesso::lora::Source)
