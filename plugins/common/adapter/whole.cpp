#include "adapter/whole.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

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
at::Tensor with_magnitude(const at::Tensor& changed, const Parts& parts, const Slice& slice) {
  const Module& module = parts.module;
  const int64_t out = changed.size(0) * slice.parts, in = changed.size(1);
  const Norm norm = norm_of(module, out, in);
  if (norm == Norm::Columns && slice.parts > 1) {
    throw Error(Status::NotSupported,
                module.key(kMagnitude) + ": norms of the columns of a fused projection");
  }
  const int64_t axis = norm == Norm::Rows ? 1 : 0;
  const at::Tensor length = at::linalg_vector_norm(changed, 2, {axis}, /*keepdim=*/true);
  at::Tensor magnitude = parts.tensor(kMagnitude).flatten();
  magnitude = norm == Norm::Rows ? rows_of(magnitude, slice).unsqueeze(1) : magnitude.unsqueeze(0);
  return changed * (magnitude / length);
}

/// The weight with the part of the module's update that belongs to a slice.
at::Tensor changed_weight(const at::Tensor& base, const Parts& parts, const Targets& targets,
                          const Slice& slice, Update update) {
  const at::Tensor changed = base + rows_of(update(parts, targets), slice);
  return parts.module.find(kMagnitude) ? with_magnitude(changed, parts, slice) : changed;
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
    return torch::give(
        changed_weight(torch::borrow(base), Parts(*source.module), targets_, source.slice, update_)
            .contiguous());
  }

 private:
  struct Source {
    const Module* module;
    Slice slice;
  };
  /// Finds faults when the file is opened, not in the middle of a run.
  void check(const Module& module) const {
    const c10::InferenceMode guard;
    const at::Tensor update = update_(Parts(module), targets_);
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

at::Tensor Parts::tensor(const std::string& part) const {
  const auto found = leaves_.find(part);
  if (found != leaves_.end()) return found->second;
  const at::Tensor numbers = torch::borrow(module.at(part)).to(at::kFloat);
  if (!tracked_) return numbers;
  return leaves_[part] = numbers.detach().clone().requires_grad_(true);
}

at::Tensor Parts::matrix(const std::string& part) const {
  const Extents extents = matrix_extents(module.at(part), module.key(part));
  return tensor(part).reshape({extents.rows, extents.columns});
}

at::Tensor low_rank_update(const Parts& parts, const Targets& targets) {
  const Pair pair = read_pair(parts.module, targets);
  return at::matmul(parts.matrix(kUp), parts.matrix(kDown))
      .mul(parts.module.alpha_over(pair.rank()));
}

std::vector<NamedPart> back_whole(std::span<const gesso_named_tensor_t> tensors,
                                  const gesso_target_t& target, gesso_tensor_t* base,
                                  gesso_tensor_t* weight_grad, Update update) {
  const Targets targets(std::span(&target, 1));
  const Modules modules = group(tensors, targets);
  if (modules.list.size() != 1 || modules.list[0].slices.size() != 1) {
    throw Error(Status::BadData,
                std::string(target.name) + ": expected the parts of one update of it");
  }
  const Module& module = modules.list[0];
  const Parts parts(module, /*tracked=*/true);
  const at::AutoGradMode mode(true);
  const at::Tensor whole =
      changed_weight(torch::borrow(base), parts, targets, module.slices[0], update);
  std::vector<at::Tensor> leaves;
  for (const auto& [part, leaf] : parts.leaves()) leaves.push_back(leaf);
  const auto grads = ::torch::autograd::grad({whole}, leaves, {torch::borrow(weight_grad)});
  std::vector<NamedPart> named;
  size_t place = 0;
  for (const auto& [part, leaf] : parts.leaves()) {
    named.push_back({module.key(part), torch::give(grads[place++].contiguous())});
  }
  return named;
}

at::Tensor uniform(std::vector<int64_t> shape, double bound, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::empty(shape, at::kFloat).uniform_(-bound, bound, generator);
}

std::unique_ptr<DeltaSet> open_whole(std::span<const gesso_named_tensor_t> tensors,
                                     std::span<const gesso_target_t> targets, const char* form,
                                     Update update) {
  return std::make_unique<WholeSet>(tensors, targets, form, update);
}

}  // namespace gesso::adapter
