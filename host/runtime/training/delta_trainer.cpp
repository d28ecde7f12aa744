#include "runtime/training/delta_trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "gesso/cpp/torch.hpp"
#include "gesso/ext/delta_training.h"
#include "runtime/operation_run.hpp"

namespace gesso::runtime {
namespace {

gesso_target_t raw(const DeltaTarget& target) {
  return {target.name.c_str(), target.out_features, target.in_features};
}

/// The parts of an update, lent to a plugin.
class LentParts {
 public:
  explicit LentParts(const DeltaTrainer::Named& update) {
    for (const auto& [name, tensor] : update) {
      lent_.emplace_back(tensor);
      raw_.push_back({name.c_str(), lent_.back().get()});
    }
  }
  const gesso_named_tensor_t* data() const { return raw_.data(); }
  uint64_t size() const { return raw_.size(); }

 private:
  std::deque<Lent> lent_;
  std::vector<gesso_named_tensor_t> raw_;
};

struct PartReceiver {
  DeltaTrainer::Named parts{};
  gesso_part_sink_t sink{sizeof(gesso_part_sink_t), 0, this, accept};

  static gesso_status_t GESSO_CALL accept(const gesso_part_sink_t* sink, const char* name,
                                          gesso_tensor_t* part) {
    Tensor owned(part);
    return guard(nullptr, [&] {
      static_cast<PartReceiver*>(sink->data)
          ->parts.emplace_back(name, torch::adopt(std::move(owned)).to(at::kFloat));
    });
  }
};

bool offers(const registry::ComponentInfo& info, std::string_view interface) {
  return std::ranges::find(info.interfaces, interface) != info.interfaces.end();
}

const gesso_delta_training_t& training_of(const Instance& source) {
  return source.interface<gesso_delta_training_t>(GESSO_DELTA_TRAINING_ID);
}

}  // namespace

DeltaTrainer::DeltaTrainer(const Parts& parts, const registry::Registry& registry,
                           const std::string& kind)
    : kind_(kind) {
  std::string known;
  for (const auto& info : registry.components()) {
    if (!offers(info, GESSO_DELTA_TRAINING_ID)) continue;
    config::ComponentPlan component;
    component.role = "adapter";
    component.where = "lora_kind";
    component.info = &info;
    component.dtype = "f32";
    component.values = nlohmann::json::object();
    auto source = parts.make(component);
    for (const char* const* one = training_of(*source).kinds; *one; ++one) {
      known += fmt::format(", \"{}\"", *one);
      if (kind != *one) continue;
      source_ = std::move(source);
      return;
    }
  }
  throw Error(Status::NotSupported,
              fmt::format("lora_kind: no plugin trains updates of the kind \"{}\"; there are "
                          "\"lora\"{}",
                          kind, known));
}

DeltaTrainer::Named DeltaTrainer::begin(const DeltaTarget& target, const at::Tensor& base,
                                        int64_t rank, uint64_t seed) const {
  const Watch nobody;
  const CallScope call(nobody);
  const gesso_target_t of = raw(target);
  const Lent lent(base);
  PartReceiver receiver;
  check_call(
      training_of(*source_).begin(source_->self(), call.get(), kind_.c_str(), &of, lent.get(),
                                  static_cast<uint64_t>(rank), seed, &receiver.sink),
      call.get());
  return std::move(receiver.parts);
}

at::Tensor DeltaTrainer::whole(const Named& update, const DeltaTarget& target,
                               const at::Tensor& base) const {
  const Watch nobody;
  const CallScope call(nobody);
  const auto& table = source_->interface<gesso_delta_source_t>(GESSO_DELTA_SOURCE_ID);
  const gesso_target_t of = raw(target);
  const LentParts parts(update);
  void* set = nullptr;
  uint64_t count = 0;
  ErrorText text;
  check(table.open(source_->self(), call.get(), parts.data(), parts.size(), &of, 1, &set, &count,
                   &text.error),
        text);
  const std::shared_ptr<void> opened(set, [&](void* s) { table.close(source_->self(), s); });
  const Lent lent(base);
  gesso_tensor_t* made = nullptr;
  check_call(table.materialize(source_->self(), call.get(), set, 0, lent.get(), &made), call.get());
  return torch::adopt(Tensor(made));
}

DeltaTrainer::Named DeltaTrainer::back(const Named& update, const DeltaTarget& target,
                                       const at::Tensor& base,
                                       const at::Tensor& weight_grad) const {
  const Watch nobody;
  const CallScope call(nobody);
  const gesso_target_t of = raw(target);
  const LentParts parts(update);
  const Lent lent_base(base), lent_grad(weight_grad);
  PartReceiver receiver;
  check_call(training_of(*source_).back(source_->self(), call.get(), parts.data(), parts.size(),
                                        &of, lent_base.get(), lent_grad.get(), &receiver.sink),
             call.get());
  return std::move(receiver.parts);
}

}  // namespace gesso::runtime
