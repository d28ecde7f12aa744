#include "runtime/opened_adapter.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "gesso/cpp/torch.hpp"
#include "runtime/low_rank.hpp"
#include "runtime/training/tensor_files.hpp"
#include "runtime/with_delta.hpp"

namespace gesso::runtime {
namespace {

constexpr int64_t kRowsAtOnce = 256;

config::PipelinePlan nothing_but(std::shared_ptr<registry::Registry> registry,
                                 const std::string& name) {
  config::PipelinePlan plan;
  plan.name = name;
  plan.registry = std::move(registry);
  plan.numerics = "precise";
  return plan;
}

std::vector<DeltaTarget> delta_targets(const std::vector<AdapterTarget>& targets) {
  std::vector<DeltaTarget> list;
  for (const AdapterTarget& target : targets) {
    list.push_back({target.name, target.out_features, target.in_features});
  }
  return list;
}

weights::TensorView view_of(const at::Tensor& tensor) { return named_tensor("", tensor).view; }

/// Rounded; what is missing is yet to be measured.
LowRank rounded(const LowRank& made, weights::DType type) {
  const at::ScalarType to = torch::scalar_type(dl_type(type));
  return {made.down.to(to), made.up.to(to)};
}

at::Tensor product(const LowRank& made) {
  return at::mm(made.up.to(at::kFloat), made.down.to(at::kFloat));
}

/// In pieces: there is no second matrix in double.
double squares(const at::Tensor& values) {
  double sum = 0;
  for (const at::Tensor& rows : values.split(kRowsAtOnce)) {
    sum += rows.to(at::kDouble).square_().sum().item<double>();
  }
  return sum;
}

/// The sum of squares of up @ down, which is not made.
double squares_of_product(const at::Tensor& up, const at::Tensor& down) {
  const at::Tensor left = up.to(at::kDouble), right = down.to(at::kDouble);
  const at::Tensor sum = at::mm(left.t(), left).mul_(at::mm(right, right.t()));
  return std::max(0.0, sum.sum().item<double>());
}

}  // namespace

OpenedAdapter::OpenedAdapter(const config::AdapterPlan& plan,
                             std::shared_ptr<registry::Registry> registry,
                             const std::vector<AdapterTarget>& targets)
    : pipeline_(nothing_but(std::move(registry), plan.name)),
      parts_(pipeline_, Watch()),
      source_id_(plan.source->id) {
  const Watch nobody;
  read_ = read_adapter(parts_, plan, delta_targets(targets), std::nullopt, CallScope(nobody));
  for (const AdapterTarget& target : targets) names_.push_back(target.name);
  for (const ReadDelta& one : read_.deltas) by_target_[names_[one.target]].push_back(&one.delta);
}

std::vector<std::string> OpenedAdapter::targets() const {
  std::vector<std::string> list;
  for (const auto& [name, deltas] : by_target_) list.push_back(name);
  return list;
}

std::vector<weights::LowRankUpdate> OpenedAdapter::low_rank() const {
  std::vector<weights::LowRankUpdate> updates;
  for (const ReadDelta& one : read_.deltas) {
    const WeightDelta& delta = one.delta;
    if (!delta.a.defined()) {
      throw Error(Status::NotSupported,
                  fmt::format("{}: the update of \"{}\" ({}) is not of low rank; merge it into "
                              "weights and extract a LoRA from them",
                              pipeline_.name, names_[one.target], source_id_));
    }
    updates.push_back({names_[one.target], view_of(delta.a), view_of(delta.b), delta.scale});
  }
  return updates;
}

weights::TensorView OpenedAdapter::added(const std::string& target,
                                         const weights::TensorView& values, double scale) const {
  const c10::InferenceMode guard;
  BorrowedTensor borrowed(values, dl_type(values.dtype));
  at::Tensor sum = torch::borrow(borrowed.get());
  const auto found = by_target_.find(target);
  if (found == by_target_.end()) return values;
  for (const WeightDelta* delta : found->second) {
    WeightDelta scaled = *delta;
    scaled.scale *= scale;
    sum = with_delta(sum, scaled);
  }
  return view_of(sum);
}

weights::Factors TorchAdapterTools::factorise(const weights::TensorView& matrix, int64_t rank,
                                              weights::DType type) {
  const c10::InferenceMode guard;
  BorrowedTensor borrowed(matrix, dl_type(matrix.dtype));
  const at::Tensor values = torch::borrow(borrowed.get());
  const int64_t most = std::min(values.size(0), values.size(1));
  const LowRank made = rounded(nearest_of_rank(values, std::min(rank, most)), type);
  return {view_of(made.down), view_of(made.up), squares(product(made).sub_(values)),
          squares(values)};
}

weights::Factors TorchAdapterTools::factorise(std::span<const weights::LowRankUpdate> updates,
                                              int64_t rank, weights::DType type) {
  const c10::InferenceMode guard;
  std::vector<at::Tensor> ups, downs;
  for (const weights::LowRankUpdate& update : updates) {
    ups.push_back(tensor_of(update.up).to(at::kFloat) * update.scale);
    downs.push_back(tensor_of(update.down).to(at::kFloat));
  }
  const at::Tensor up = at::cat(ups, 1), down = at::cat(downs, 0);
  const int64_t most = std::min({up.size(0), up.size(1), down.size(1)});
  const LowRank made = rounded(nearest_of_rank(up, down, std::min(rank, most)), type);
  const at::Tensor missing_up = at::cat({up, made.up.to(at::kFloat).neg()}, 1);
  const at::Tensor missing_down = at::cat({down, made.down.to(at::kFloat)}, 0);
  return {view_of(made.down), view_of(made.up), squares_of_product(missing_up, missing_down),
          squares_of_product(up, down)};
}

}  // namespace gesso::runtime
