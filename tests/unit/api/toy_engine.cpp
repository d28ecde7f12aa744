#include "toy_engine.hpp"

#include <chrono>
#include <thread>

namespace gesso::test {
namespace {

using nlohmann::json;

class ToyPipeline : public runtime::Pipeline {
 public:
  explicit ToyPipeline(std::string variant) : variant_(std::move(variant)) {}

  void check(runtime::GenerateRequest& request, const runtime::Watch& watch) override {
    if (request.prompts.front().starts_with("refuse")) {
      throw Error(Status::InvalidArgument, "this prompt is refused");
    }
    if (request.height % 16 != 0) {
      request.height = (request.height + 15) / 16 * 16;
      runtime::Event event;
      event.text = "height is rounded up";
      watch.event(event);
    }
  }

  json generate(const runtime::GenerateRequest& request, const runtime::Watch& watch,
                const runtime::ResultSink& result) override {
    runtime::Event stage;
    stage.type = runtime::Event::Stage;
    stage.stage = "denoise";
    watch.event(stage);
    for (int64_t step = 1; step <= request.num_inference_steps; ++step) {
      take_step(request.prompts.front(), watch);
      runtime::Event event;
      event.type = runtime::Event::Step;
      event.stage = "denoise";
      event.step = static_cast<uint64_t>(step);
      event.total = static_cast<uint64_t>(request.num_inference_steps);
      watch.event(event);
    }
    for (const uint64_t seed : request.seeds) {
      result(image::Image(static_cast<int>(request.width), static_cast<int>(request.height), 3,
                          static_cast<uint8_t>(seed)));
    }
    return {{"stages", {{"denoise", 0.1}}}, {"seeds", request.seeds}};
  }

  json image2lora(const runtime::GenerateRequest&, const std::filesystem::path& file,
                  const runtime::Watch&) override {
    throw Error(Status::NotSupported, file.string() + ": the toy makes no LoRA");
  }
  json plan(const runtime::GenerateRequest&, const std::vector<uint64_t>& limits,
            const runtime::Watch&) override {
    return {{"limits", limits}};
  }
  void add_adapter(const config::AdapterPlan& plan, const runtime::Watch&) override {
    adapters_[plan.name] = plan.scale;
  }
  void set_adapter_scale(const std::string& name, double scale) override {
    adapters_.at(name) = scale;
  }
  void remove_adapter(const std::string& name) override { adapters_.erase(name); }

  json describe() const override { return {{"variant", variant_}, {"adapters", adapters_}}; }

 private:
  static void take_step(const std::string& prompt, const runtime::Watch& watch) {
    if (prompt == "fail") throw Error(Status::Numeric, "denoise: NaN");
    if (prompt == "crash") throw std::runtime_error("the runtime broke");
    for (int i = 0; prompt == "slow" && i < 10000 && !watch.cancelled(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (watch.cancelled()) throw Error(Status::Cancelled, "cancelled while denoising");
  }

  std::string variant_;
  std::map<std::string, double> adapters_;
};

}  // namespace

std::unique_ptr<runtime::Pipeline> ToyRuntime::load(const config::PipelinePlan& plan,
                                                    const runtime::Watch&) {
  return std::make_unique<ToyPipeline>(plan.variant->id);
}

json ToyRuntime::train(const config::TrainPlan& plan, runtime::TrainReport& report,
                       const runtime::Watch& watch) {
  report.begin(0);
  for (int64_t number = 1; number <= plan.max_steps; ++number) {
    if (watch.cancelled()) throw Error(Status::Cancelled, "cancelled while training");
    runtime::TrainStep step;
    step.micro_batch = step.optimizer_steps = number;
    step.total_micro_batches = plan.max_steps;
    step.loss = 1.0 / static_cast<double>(number);
    report.step(step);
  }
  return {{"micro_batches", plan.max_steps}};
}

json ToyRuntime::measure(const runtime::Watch&) { return {{"gemm_f32", 1.0}}; }

gesso_engine_t* toy_engine() {
  api::EngineOptions options;
  options.search.given = {toy_plugins()};
  options.search.use_environment = options.search.use_default_paths = false;
  return api::make_engine(std::move(options),
                          [](uint32_t) { return std::make_unique<ToyRuntime>(); });
}

}  // namespace gesso::test
