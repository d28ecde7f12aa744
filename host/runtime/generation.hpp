// A loaded pipeline: the parts of a generation in order.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/denoising.hpp"
#include "runtime/prompt_cache.hpp"
#include "runtime/run.hpp"
#include "runtime/runtime.hpp"

namespace gesso::runtime {

class LoadedPipeline : public Pipeline {
 public:
  /// @throws Error  a component's own, with its place in the file; Cancelled
  LoadedPipeline(const config::PipelinePlan& plan, const Watch& watch);

  void check(GenerateRequest& request, const Watch& watch) override;
  nlohmann::json generate(const GenerateRequest& request, const Watch& watch,
                          const ResultSink& result) override;
  nlohmann::json image2lora(const GenerateRequest& request, const std::filesystem::path& file,
                            const Watch& watch) override;
  nlohmann::json plan(const GenerateRequest& request, const std::vector<uint64_t>& limits,
                      const Watch& watch) override;
  void add_adapter(const config::AdapterPlan& plan, const Watch& watch) override;
  void set_adapter_scale(const std::string& name, double scale) override;
  void remove_adapter(const std::string& name) override;
  nlohmann::json describe() const override;
  /// Trains components of this pipeline. What was trained is gone afterwards; the files stay.
  nlohmann::json train(const config::TrainPlan& plan, TrainReport& report, const Watch& watch);

  /// What a request needs, by the modules' estimates.
  std::vector<StageNeed> needs_of(const GenerateRequest& request) const;
  /// From now on intermediate tensors are copied into `trace`; null: no longer.
  void record(Trace* trace) { trace_ = trace; }
  const Parts& parts() const { return parts_; }

 private:
  Run run_of(const GenerateRequest& request, const Watch& watch, const CallScope& call,
             Report& report);
  void check_limit(const GenerateRequest& request, const std::vector<StageNeed>& needs) const;
  std::vector<gesso_eval_t> schedule(const Run& run) const;
  std::vector<Tile> denoise_tiles(const Run& run, const at::Tensor& latents) const;
  std::vector<at::Tensor> draw_noise(const Run& run) const;
  image::Image decode(const Run& run, const at::Tensor& latents, size_t index,
                      const Inpainting* inpainting) const;

  config::PipelinePlan plan_;
  Parts parts_;
  Adapters adapters_;
  Memory memory_;
  uint32_t latent_channels_ = 0;
  PreviewMap preview_;
  PromptCache prompts_;
  Trace* trace_ = nullptr;
};

}  // namespace gesso::runtime
