// Updates of weights that are not of low rank, trained by the plugin that knows their form
// ("gesso.delta-training/1").
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/parts.hpp"

namespace gesso::runtime {

class DeltaTrainer {
 public:
  /// Parts of an update by their names in a file, float32.
  using Named = std::vector<std::pair<std::string, at::Tensor>>;

  /// @throws Error  NotSupported when no delta source trains the kind
  DeltaTrainer(const Parts& parts, const registry::Registry& registry, const std::string& kind);

  /// The id of the delta source that trains it.
  const std::string& source() const { return source_->plan().info->id; }
  /// A new update that changes nothing. @param base  the weight [out, in] in float32
  Named begin(const DeltaTarget& target, const at::Tensor& base, int64_t rank, uint64_t seed) const;
  /// The weight with the update, [out, in] in float32.
  at::Tensor whole(const Named& update, const DeltaTarget& target, const at::Tensor& base) const;
  /// Gradients of the parts from that of `whole`.
  Named back(const Named& update, const DeltaTarget& target, const at::Tensor& base,
             const at::Tensor& weight_grad) const;

 private:
  std::string kind_;
  std::unique_ptr<Instance> source_;
};

}  // namespace gesso::runtime
