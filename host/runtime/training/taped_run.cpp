#include "runtime/training/taped_run.hpp"

#include <fmt/format.h>

namespace gesso::runtime {
namespace {

/// Puts what comes out of a sink where it belongs, by the names of `ports`.
struct Receiver {
  const gesso_port_t* const* ports;
  uint32_t n_ports;
  OperationResults results;

  static gesso_status_t GESSO_CALL accept(const gesso_sink_t* sink, uint32_t port, int32_t index,
                                          gesso_tensor_t* tensor) {
    Tensor owned(tensor);
    return guard(nullptr, [&] {
      auto& self = *static_cast<Receiver*>(sink->data);
      if (port >= self.n_ports) throw Error(Status::InvalidArgument, "no such port");
      auto& list = self.results[self.ports[port]->name];
      const auto place = static_cast<size_t>(std::max(index, 0));
      if (list.size() <= place) list.resize(place + 1);
      list[place] = torch::adopt(std::move(owned));
    });
  }
  gesso_sink_t sink() { return {sizeof(gesso_sink_t), 0, this, accept}; }
};

void check_of(const Instance& instance, gesso_status_t status, const CallScope& call) {
  try {
    check_call(status, call.get());
  } catch (const Error& e) {
    if (e.status() == Status::Cancelled) throw;
    throw Error(e.status(), fmt::format("{}: {}", instance.plan().info->id, e.what()));
  }
}

}  // namespace

TapedRun::TapedRun(const Instance& instance, std::string_view operation)
    : instance_(instance), table_(instance.interface<gesso_training_t>(GESSO_TRAINING_ID)) {
  const auto& module = instance.interface<gesso_module_t>(GESSO_MODULE_ID);
  for (uint32_t i = 0; i < module.n_ops; ++i) {
    if (operation != module.ops[i]->name) continue;
    op_place_ = i;
    op_ = module.ops[i];
  }
  if (!op_) {
    throw Error(Status::NotSupported,
                fmt::format("{} has no operation \"{}\"", instance.plan().info->id, operation));
  }
}

TapedRun::~TapedRun() {
  if (tape_) table_.tape_release(instance_.self(), tape_);
}

uint32_t TapedRun::input_place(std::string_view port) const {
  for (uint32_t i = 0; i < op_->n_inputs; ++i) {
    if (port == op_->inputs[i]->name) return i;
  }
  throw Error(Status::NotSupported, fmt::format("{}: operation \"{}\" has no input \"{}\"",
                                                instance_.plan().info->id, op_->name, port));
}

TapedRun& TapedRun::feed(std::string_view port, const std::vector<at::Tensor>& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    lent_.emplace_back(items[i]);
    inputs_.push_back({input_place(port), static_cast<int32_t>(i), lent_.back().get()});
  }
  return *this;
}

TapedRun& TapedRun::feed_whole(std::string_view port, const at::Tensor& tensor) {
  lent_.emplace_back(tensor);
  inputs_.push_back({input_place(port), -1, lent_.back().get()});
  return *this;
}

TapedRun& TapedRun::inject(std::vector<const gesso_injector*> injectors) {
  injectors_ = std::move(injectors);
  return *this;
}

TapedRun& TapedRun::want(std::string_view port) {
  wanted_.push_back(input_place(port));
  return *this;
}

OperationResults TapedRun::forward(const CallScope& call, const ValueList& values,
                                   int32_t checkpoint) {
  Receiver receiver{op_->outputs, op_->n_outputs, {}};
  const gesso_sink_t sink = receiver.sink();
  const gesso_bundle_t bundle{sizeof(gesso_bundle_t), static_cast<uint32_t>(inputs_.size()),
                              inputs_.data()};
  const gesso_run_t run{sizeof(gesso_run_t), op_place_,     &bundle,           &sink,
                        values.data(),       values.size(), injectors_.data(), injectors_.size()};
  const gesso_train_t train{sizeof(gesso_train_t), checkpoint, wanted_.data(), wanted_.size()};
  check_of(instance_, table_.forward(instance_.self(), call.get(), &run, &train, &tape_), call);
  lent_.clear();
  inputs_.clear();
  return std::move(receiver.results);
}

OperationResults TapedRun::backward(const CallScope& call, const OperationResults& output_grads,
                                    const gesso_grad_sink_t* weights) {
  std::deque<Lent> lent;
  std::vector<gesso_item_t> items;
  for (uint32_t port = 0; port < op_->n_outputs; ++port) {
    const auto found = output_grads.find(op_->outputs[port]->name);
    if (found == output_grads.end()) continue;
    const bool per_item = op_->outputs[port]->flags & (GESSO_PORT_PER_ITEM | GESSO_PORT_LIST);
    for (size_t i = 0; i < found->second.size(); ++i) {
      if (!found->second[i].defined()) continue;
      lent.emplace_back(found->second[i]);
      items.push_back({port, per_item ? static_cast<int32_t>(i) : -1, lent.back().get()});
    }
  }
  const gesso_bundle_t bundle{sizeof(gesso_bundle_t), static_cast<uint32_t>(items.size()),
                              items.data()};
  Receiver receiver{op_->inputs, op_->n_inputs, {}};
  const gesso_sink_t sink = receiver.sink();
  check_of(instance_, table_.backward(instance_.self(), call.get(), tape_, &bundle, &sink, weights),
           call);
  return std::move(receiver.results);
}

}  // namespace gesso::runtime
