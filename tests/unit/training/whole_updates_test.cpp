// Updates that are not of low rank, trained by their plugins.
#include <doctest/doctest.h>

#include <ATen/ops/kron.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/autograd.h>

#include "gesso/cpp/error.hpp"
#include "runtime/training/delta_trainer.hpp"
#include "training_workshop.hpp"

using namespace gesso;

namespace {

using Named = runtime::DeltaTrainer::Named;

const runtime::DeltaTarget kTarget{"layers.0.attention.to_q", 12, 20, 0, 0};

struct Bench {
  explicit Bench(const std::string& kind) {
    plan.name = "test.toml";
    plan.registry = scan_plugins();
    parts = std::make_unique<runtime::Parts>(plan, runtime::Watch());
    trainer = std::make_unique<runtime::DeltaTrainer>(*parts, *plan.registry, kind);
  }
  config::PipelinePlan plan;
  std::unique_ptr<runtime::Parts> parts;
  std::unique_ptr<runtime::DeltaTrainer> trainer;
};

/// Part `name` of an update in double precision, as a leaf of autograd.
struct Leaves {
  explicit Leaves(const Named& update) {
    for (const auto& [name, value] : update) {
      list.emplace_back(name, value.to(at::kDouble).clone().requires_grad_(true));
    }
  }
  const at::Tensor& operator[](const std::string& part) const {
    for (const auto& [name, leaf] : list) {
      if (name == kTarget.name + part) return leaf;
    }
    throw Error(Status::NotFound, part);
  }
  std::vector<std::pair<std::string, at::Tensor>> list;
};

at::Tensor dora(const at::Tensor& base, const Leaves& parts) {
  const at::Tensor changed =
      base + parts[".lora_B.default.weight"].matmul(parts[".lora_A.default.weight"]);
  const at::Tensor length = at::linalg_vector_norm(changed, 2, {1}, /*keepdim=*/true);
  return parts[".lora_magnitude_vector.default.weight"].unsqueeze(1) * changed / length;
}
at::Tensor lokr(const at::Tensor& base, const Leaves& parts) {
  return base + at::kron(parts[".lokr_w1"], parts[".lokr_w2_a"].matmul(parts[".lokr_w2_b"]));
}

void check_kind(const std::string& kind, at::Tensor (*plain)(const at::Tensor&, const Leaves&),
                int64_t rank) {
  CAPTURE(kind);
  Bench bench(kind);
  const at::Tensor base = random({12, 20}, 1), grad = random({12, 20}, 2);
  Named update = bench.trainer->begin(kTarget, base, rank, 3);
  const auto distance = [](const at::Tensor& a, const at::Tensor& b) {
    return (a.to(at::kDouble) - b.to(at::kDouble)).norm().item<double>();
  };
  CHECK(distance(bench.trainer->whole(update, kTarget, base), base) <= 1e-5);
  uint64_t seed = 10;
  for (auto& [name, value] : update) value = value + random(value.sizes().vec(), ++seed) * 0.3;

  const Leaves leaves(update);
  const at::AutoGradMode mode(true);
  const at::Tensor expected = plain(base.to(at::kDouble), leaves);
  CHECK(distance(bench.trainer->whole(update, kTarget, base), expected.detach()) <=
        1e-5 * expected.norm().item<double>());
  std::vector<at::Tensor> wanted;
  for (const auto& [name, leaf] : leaves.list) wanted.push_back(leaf);
  const auto grads = torch::autograd::grad({expected}, wanted, {grad.to(at::kDouble)});
  const Named found = bench.trainer->back(update, kTarget, base, grad);
  REQUIRE(found.size() == update.size());
  for (const auto& [name, value] : found) {
    CAPTURE(name);
    size_t place = 0;
    while (leaves.list.at(place).first != name) ++place;
    CHECK(distance(value, grads[place]) <= 1e-5 * grads[place].norm().item<double>());
  }
}

}  // namespace

TEST_CASE("gradients of DoRA and LoKr are those of their formulas in double precision") {
  check_kind("dora", dora, 3);
  check_kind("lokr", lokr, 1);
}

TEST_CASE("kinds that no plugin trains are refused with those that there are") {
  CHECK_THROWS_WITH_AS(Bench("loha"), doctest::Contains("\"dora\""), Error);
}

TEST_CASE("DoRA and LoKr lower the loss, are saved by their names, and go on to the bit") {
  for (const std::string kind : {"dora", "lokr"}) {
    CAPTURE(kind);
    struct Log : runtime::TrainReport {
      void step(const runtime::TrainStep& told) override { losses.push_back(told.loss); }
      std::vector<double> losses;
    } log;
    Workshop whole, parts;
    for (Workshop* shop : {&whole, &parts}) {
      shop->use_pair();
      shop->plan.loss = config::Loss::DirectDistill;
      shop->plan.lora->kind = kind;
      shop->plan.optimizer.learning_rate = 1e-3;
      shop->plan.gradient_accumulation_steps = 1;
      shop->plan.num_epochs = 6;
      shop->plan.save_steps = 3;
    }
    whole.train(log);
    CHECK(log.losses.back() < log.losses.front());
    const auto set = weights::WeightSet::open(whole.plan.output_path / "step-6.safetensors");
    CHECK(set.find(
        "layers.0.attention.to_q" +
        std::string(kind == "dora" ? ".lora_magnitude_vector.default.weight" : ".lokr_w1")));
    parts.plan.num_epochs = 3;
    parts.train();
    parts.plan.num_epochs = 6;
    parts.plan.resume = true;
    parts.train();
    CHECK(parts.bytes("step-6.safetensors") == whole.bytes("step-6.safetensors"));
  }
}
