#include "adapter/whole.hpp"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <c10/core/InferenceMode.h>

#include "gesso/cpp/torch.hpp"

namespace gesso::adapter {
namespace {

/// The rows of `whole` that belong to the slice.
at::Tensor rows_of(const at::Tensor& whole, const Slice& slice) {
  const int64_t rows = whole.size(0) / slice.parts;
  return whole.narrow(0, slice.part * rows, rows);
}

enum class Norm { Rows, Columns };

/// [out, 1] or [out]: of each row; [1, in]: of each column.
Norm norm_of(const Module& module, int64_t out, int64_t in) {
  const auto shape = shape_of(module.at(kMagnitude));
  const int64_t count = count_of(module.at(kMagnitude));
  const bool is_row = shape.size() >= 2 && shape[0] == 1 && count == in;
  if (is_row && !(out == 1 && in == 1)) return Norm::Columns;
  if (count == out) return Norm::Rows;
  throw Error(Status::BadData, module.key(kMagnitude) + ": expected [" + std::to_string(out) +
                                   ", 1] or [1, " + std::to_string(in) + "], found " +
                                   shape_text(shape));
}

/// `changed` with norms of the magnitude. Both are of one slice.
at::Tensor with_magnitude(const at::Tensor& changed, const Module& module, const Slice& slice) {
  const int64_t out = changed.size(0) * slice.parts, in = changed.size(1);
  const Norm norm = norm_of(module, out, in);
  if (norm == Norm::Columns && slice.parts > 1) {
    throw Error(Status::NotSupported,
                module.key(kMagnitude) + ": norms of the columns of a fused projection");
  }
  const int64_t axis = norm == Norm::Rows ? 1 : 0;
  const at::Tensor length = at::linalg_vector_norm(changed, 2, {axis}, /*keepdim=*/true);
  at::Tensor magnitude = torch::borrow(module.at(kMagnitude)).to(at::kFloat).flatten();
  magnitude = norm == Norm::Rows ? rows_of(magnitude, slice).unsqueeze(1) : magnitude.unsqueeze(0);
  return changed * (magnitude / length);
}

class WholeSet : public DeltaSet {
 public:
  WholeSet(std::span<const gesso_named_tensor_t> tensors, std::span<const gesso_target_t> targets,
           const char* form, Update update)
      : targets_(targets), modules_(group(tensors, targets_)), update_(update) {
    for (const Module& module : modules_.list) {
      for (const Slice& slice : module.slices) {
        sources_.push_back({&module, slice});
        entries.push_back({slice.target, module.name, {}});
        entries.back().delta.form = form;
        entries.back().delta.scale = 1;
      }
      check(module);
    }
    add_unmatched(modules_, *this);
  }

  Tensor materialize(const Call&, size_t index, gesso_tensor_t* base) override {
    const c10::InferenceMode guard;
    const Source& source = sources_.at(index);
    const at::Tensor update = rows_of(update_(*source.module, targets_), source.slice);
    at::Tensor changed = torch::borrow(base) + update;
    if (source.module->find(kMagnitude)) {
      changed = with_magnitude(changed, *source.module, source.slice);
    }
    return torch::give(changed.contiguous());
  }

 private:
  struct Source {
    const Module* module;
    Slice slice;
  };
  /// Finds faults when the file is opened, not in the middle of a run.
  void check(const Module& module) const {
    const c10::InferenceMode guard;
    const at::Tensor update = update_(module, targets_);
    for (const Slice& slice : module.slices) {
      const gesso_target_t& target = targets_[slice.target];
      const int64_t rows = target.out_features * slice.parts;
      const bool known = target.out_features > 0 && target.in_features > 0;
      if (!known || (update.size(0) == rows && update.size(1) == target.in_features)) continue;
      throw Error(Status::BadData,
                  module.name + ": expected an update of shape [" + std::to_string(rows) + ", " +
                      std::to_string(target.in_features) + "] for \"" + target.name + "\", found " +
                      shape_text(update.sizes()) + "; is the file for a model of another size?");
    }
    if (module.find(kMagnitude)) norm_of(module, update.size(0), update.size(1));
  }

  Targets targets_;
  Modules modules_;
  Update update_;
  std::vector<Source> sources_;
};

}  // namespace

at::Tensor float_matrix(const Module& module, const std::string& part) {
  const DLTensor& t = module.at(part);
  const Extents extents = matrix_extents(t, module.key(part));
  return torch::borrow(t).to(at::kFloat).reshape({extents.rows, extents.columns});
}

at::Tensor low_rank_update(const Module& module, const Targets& targets) {
  const Pair pair = read_pair(module, targets);
  return at::matmul(float_matrix(module, kUp), float_matrix(module, kDown))
      .mul_(module.alpha_over(pair.rank()));
}

std::unique_ptr<DeltaSet> open_whole(std::span<const gesso_named_tensor_t> tensors,
                                     std::span<const gesso_target_t> targets, const char* form,
                                     Update update) {
  return std::make_unique<WholeSet>(tensors, targets, form, update);
}

}  // namespace gesso::adapter
