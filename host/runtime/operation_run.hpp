// An operation of a component with lists of tensors, as the pipeline uses it.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "gesso/cpp/torch.hpp"
#include "runtime/instance.hpp"

namespace gesso::runtime {

/// A tensor handed to a module for the time of one call.
class Lent {
 public:
  explicit Lent(const at::Tensor& tensor) : tensor_(torch::give(tensor)) {}
  gesso_tensor_t* get() const { return tensor_.get(); }

 private:
  Tensor tensor_;
};

/// The items of each output.
using OperationResults = std::map<std::string, std::vector<at::Tensor>>;

/// The items of one output. @throws Error Internal unless all `count` of them are there
std::vector<at::Tensor> take(OperationResults& results, const std::string& port, size_t count,
                             const std::string& who);
/// The same, or nothing when the operation gave none.
std::vector<at::Tensor> take_optional(OperationResults& results, const std::string& port,
                                      size_t count, const std::string& who);

/// Runs an operation with lists of items and gives the items of its outputs back, in order.
class OperationRun {
 public:
  OperationRun(gesso_component_t* component, std::string_view operation)
      : module_(component), operation_(operation) {}

  OperationRun& feed(std::string_view port, const std::vector<at::Tensor>& items) {
    for (size_t i = 0; i < items.size(); ++i) lend(port, static_cast<int32_t>(i), items[i]);
    return *this;
  }
  OperationRun& feed_whole(std::string_view port, const at::Tensor& tensor) {
    lend(port, -1, tensor);
    return *this;
  }
  OperationRun& inject(std::vector<const gesso_injector*> injectors) {
    injectors_ = std::move(injectors);
    return *this;
  }
  bool has_input(std::string_view port) const {
    return ModuleRef::has_input(module_.op(operation_), port);
  }
  OperationResults run(const CallScope& call, const ValueList& values) {
    OperationResults results;
    for (Output& output : module_.run(call.get(), operation_, inputs_, values, injectors_)) {
      auto& list = results[output.port];
      const auto place = static_cast<size_t>(std::max(output.index, 0));
      if (list.size() <= place) list.resize(place + 1);
      list[place] = torch::adopt(std::move(output.tensor));
    }
    return results;
  }
  gesso_estimate_t estimate(const CallScope& call, const ValueList& values) const {
    return module_.estimate(call.get(), operation_, inputs_, values);
  }

 private:
  void lend(std::string_view port, int32_t index, const at::Tensor& tensor) {
    lent_.emplace_back(tensor);
    inputs_.push_back({port, index, lent_.back().get()});
  }
  ModuleRef module_;
  std::string operation_;
  std::deque<Lent> lent_;
  std::vector<Input> inputs_;
  std::vector<const gesso_injector*> injectors_;
};

}  // namespace gesso::runtime
