#include "runtime/delta_reader.hpp"

#include <fmt/format.h>

#include "gesso/cpp/torch.hpp"
#include "gesso/kind/delta_source.h"

namespace gesso::runtime {
namespace {

/// The tensors of a file under their names, as a source takes them.
class NamedTensors {
 public:
  explicit NamedTensors(const weights::WeightSet& set) : set_(set) {
    for (const weights::TensorInfo& info : set.tensors()) {
      tensors_.emplace_back(set.view(info), dl_type(info.dtype));
      raw_.push_back({info.name.c_str(), tensors_.back().get()});
    }
  }
  const std::vector<gesso_named_tensor_t>& raw() const { return raw_; }

 private:
  const weights::WeightSet& set_;
  std::vector<BorrowedTensor> tensors_;
  std::vector<gesso_named_tensor_t> raw_;
};

/// A source with an opened file; closed with its last user.
class OpenedSource {
 public:
  OpenedSource(const Parts& parts, const config::AdapterPlan& plan,
               std::vector<DeltaTarget> targets, const CallScope& call)
      : set_(plan.tensors), tensors_(*plan.tensors), targets_(std::move(targets)) {
    config::ComponentPlan component;
    component.role = "adapter";
    component.where = plan.where;
    component.info = plan.source;
    component.dtype = "f32";
    component.values = nlohmann::json::object();
    instance_ = parts.make(component);
    table_ = &instance_->interface<gesso_delta_source_t>(GESSO_DELTA_SOURCE_ID);

    for (const DeltaTarget& t : targets_) {
      raw_targets_.push_back({t.name.c_str(), t.out_features, t.in_features});
    }
    ErrorText error;
    gesso::check(
        table_->open(instance_->self(), call.get(), tensors_.raw().data(), tensors_.raw().size(),
                     raw_targets_.data(), raw_targets_.size(), &opened_, &count_, &error.error),
        error, plan.files.empty() ? plan.name : plan.files.front().string());
  }
  ~OpenedSource() {
    if (opened_) table_->close(instance_->self(), opened_);
  }
  OpenedSource(const OpenedSource&) = delete;
  OpenedSource& operator=(const OpenedSource&) = delete;

  uint64_t count() const { return count_; }
  size_t keys() const { return tensors_.raw().size(); }
  const DeltaTarget& target(size_t place) const { return targets_.at(place); }

  gesso_delta_t get(uint64_t index, uint32_t& target, std::string& name) const {
    gesso_delta_t delta{};
    const char* key = "";
    ErrorText error;
    gesso::check(
        table_->get(instance_->self(), opened_, index, &target, &key, &delta, &error.error), error,
        instance_->plan().info->id);
    name = key;
    return delta;
  }

  at::Tensor replace(uint64_t index, const at::Tensor& base) const {
    const Watch nobody;
    const CallScope call(nobody);
    Tensor lent = torch::give(base.contiguous());
    gesso_tensor_t* made = nullptr;
    check_call(
        table_->materialize(instance_->self(), call.get(), opened_, index, lent.get(), &made),
        call.get());
    const at::Tensor whole = torch::adopt(Tensor(made));
    if (whole.sizes() != base.sizes()) {
      throw Error(Status::Internal, fmt::format("{} made an update of another shape than its "
                                                "weight",
                                                instance_->plan().info->id));
    }
    return whole;
  }

 private:
  std::shared_ptr<const weights::WeightSet> set_;
  NamedTensors tensors_;
  std::vector<DeltaTarget> targets_;
  std::vector<gesso_target_t> raw_targets_;  // the source may read it until it is closed
  std::unique_ptr<Instance> instance_;
  const gesso_delta_source_t* table_ = nullptr;
  void* opened_ = nullptr;
  uint64_t count_ = 0;
};

WeightDelta low_rank(const gesso_delta_t& delta, const DeltaTarget& target,
                     std::optional<at::ScalarType> type, const std::string& key) {
  WeightDelta made;
  if (delta.n_parts != 2) throw Error(Status::Internal, key + ": a low-rank update has two parts");
  const auto take = [&](gesso_tensor_t* part) {
    const at::Tensor view = torch::borrow(part);
    return type ? view.to(*type).clone() : view;  // copied: it must outlive the source
  };
  made.a = take(delta.parts[0]);
  made.b = take(delta.parts[1]);
  const auto is = [](int64_t extent, int64_t expected) {
    return expected == 0 || extent == expected;
  };
  const bool fits = made.a.dim() == 2 && made.b.dim() == 2 && made.a.size(0) == made.b.size(1) &&
                    is(made.a.size(1), target.in_features) &&
                    is(made.b.size(0), target.out_features);
  if (!fits) {
    throw Error(Status::Incompatible,
                fmt::format("{}: parts {} and {} do not fit the weight \"{}\" [{}, {}]", key,
                            shape_text({made.a.sizes().data(), made.a.sizes().size()}),
                            shape_text({made.b.sizes().data(), made.b.sizes().size()}), target.name,
                            target.out_features, target.in_features));
  }
  return made;
}

}  // namespace

ReadAdapter read_adapter(const Parts& parts, const config::AdapterPlan& plan,
                         std::vector<DeltaTarget> targets, std::optional<at::ScalarType> type,
                         const CallScope& call) {
  const auto source = std::make_shared<OpenedSource>(parts, plan, std::move(targets), call);
  ReadAdapter read;
  read.keys = source->keys();
  for (uint64_t i = 0; i < source->count(); ++i) {
    uint32_t target = GESSO_TARGET_NONE;
    std::string key;
    const gesso_delta_t delta = source->get(i, target, key);
    if (target == GESSO_TARGET_NONE) {
      read.unmatched.push_back(key);
      continue;
    }
    ReadDelta one{target, {}, key};
    if (delta.form == std::string_view(GESSO_DELTA_LOW_RANK)) {
      one.delta = low_rank(delta, source->target(target), type, key);
      one.delta.scale = delta.scale;
    } else {
      one.delta.replace = [source, i](const at::Tensor& base) { return source->replace(i, base); };
    }
    read.deltas.push_back(std::move(one));
  }
  read.source = source;
  return read;
}

}  // namespace gesso::runtime
