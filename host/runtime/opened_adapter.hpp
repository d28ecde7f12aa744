// The file of an adapter, read by its delta source without a pipeline.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/adapter_file.hpp"
#include "runtime/delta_reader.hpp"

namespace gesso::runtime {

class OpenedAdapter : public AdapterFile {
 public:
  /// @throws Error  as read_adapter
  OpenedAdapter(const config::AdapterPlan& plan, std::shared_ptr<registry::Registry> registry,
                const std::vector<AdapterTarget>& targets);

  size_t keys() const override { return read_.keys; }
  const std::vector<std::string>& unmatched() const override { return read_.unmatched; }
  std::vector<std::string> targets() const override;
  std::vector<weights::LowRankUpdate> low_rank() const override;
  weights::TensorView added(const std::string& target, const weights::TensorView& values,
                            double scale) const override;

 private:
  config::PipelinePlan pipeline_;
  Parts parts_;
  std::vector<std::string> names_;  // of all targets
  std::string source_id_;
  ReadAdapter read_;
  std::map<std::string, std::vector<const WeightDelta*>> by_target_;
};

class TorchAdapterTools : public AdapterTools {
 public:
  std::unique_ptr<AdapterFile> open(const config::AdapterPlan& plan,
                                    std::shared_ptr<registry::Registry> registry,
                                    const std::vector<AdapterTarget>& targets) override {
    return std::make_unique<OpenedAdapter>(plan, std::move(registry), targets);
  }
  weights::Factors factorise(const weights::TensorView& matrix, int64_t rank,
                             weights::DType type) override;
  weights::Factors factorise(std::span<const weights::LowRankUpdate> updates, int64_t rank,
                             weights::DType type) override;
};

}  // namespace gesso::runtime
