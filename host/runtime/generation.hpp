// A loaded pipeline: the parts of a generation in order.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gesso/cpp/torch.hpp"
#include "runtime/instance.hpp"
#include "runtime/operation_run.hpp"
#include "runtime/runtime.hpp"

namespace gesso::runtime {

/// What a run leaves behind besides pictures; tests compare it with the reference.
struct Trace {
  std::map<std::string, at::Tensor> tensors;  // "noise.0", "latents.0.3", "prediction.0.0", ...
};

class LoadedPipeline : public Pipeline, public Siblings {
 public:
  LoadedPipeline(const config::PipelinePlan& plan, const Watch& watch);

  void check(GenerateRequest& request, const Watch& watch) override;
  nlohmann::json generate(const GenerateRequest& request, const Watch& watch,
                          const ResultSink& result) override;
  nlohmann::json describe() const override;

  /// From now on intermediate tensors are copied into `trace`; null: no longer.
  void record(Trace* trace) { trace_ = trace; }
  /// The component of a role. @throws Error NotFound
  Instance& instance(const std::string& role) const;

 private:
  struct Conditioning {
    std::vector<at::Tensor> positive, negative;  // per picture; negative empty without guidance
  };
  class Report;

  Instance* find(const std::string& role) const override;
  std::string roles() const override;

  void plan_memory();
  void enter_phase(const std::string& role);
  Conditioning compose(const GenerateRequest& request, const CallScope& call);
  std::vector<gesso_eval_t> schedule(const GenerateRequest& request, const CallScope& call);
  std::vector<at::Tensor> initial_latents(const GenerateRequest& request, const CallScope& call,
                                          const std::vector<gesso_eval_t>& evals, Report& report);
  OperationRun denoise_operation(const Conditioning& text, const std::vector<at::Tensor>& latents,
                                 double timestep) const;
  uint64_t step_flops(const CallScope& call, const Conditioning& text,
                      const std::vector<at::Tensor>& latents) const;
  std::vector<at::Tensor> predict(const GenerateRequest& request, const CallScope& call,
                                  const Conditioning& text, const std::vector<at::Tensor>& latents,
                                  const gesso_eval_t& eval);
  void denoise(const GenerateRequest& request, const Watch& watch, const CallScope& call,
               const Conditioning& text, const std::vector<gesso_eval_t>& evals,
               std::vector<at::Tensor>& latents, Report& report);
  void preview(const Watch& watch, const std::vector<at::Tensor>& latents,
               const std::vector<at::Tensor>& predictions, const gesso_eval_t& eval, uint64_t step,
               uint64_t total);
  image::Image decode(const GenerateRequest& request, const CallScope& call,
                      const at::Tensor& latents, size_t index);
  ValueList tiling(const GenerateRequest& request) const;
  void keep(const std::string& name, const at::Tensor& tensor) const;

  bool as_reference() const { return plan_.numerics == "diffsynth"; }
  at::ScalarType state_type() const;  // of noise, latents and guidance

  config::PipelinePlan plan_;
  Messages messages_;
  BoundaryClock clock_;
  std::vector<std::unique_ptr<Instance>> instances_;
  uint32_t latent_channels_ = 0, pixels_per_cell_ = 0;
  std::vector<float> preview_weight_, preview_bias_;  // empty: the codec has no preview
  Trace* trace_ = nullptr;
};

}  // namespace gesso::runtime
