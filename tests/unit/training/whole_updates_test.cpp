// Updates that are not of low rank, trained by their plugins.
#include <doctest/doctest.h>

#include <ATen/ops/kron.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/weights/safetensors_writer.hpp"
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

struct Log : runtime::TrainReport {
  void step(const runtime::TrainStep& told) override { losses.push_back(told.loss); }
  std::vector<double> losses;
};

/// A run that sees the same item with the same draws each time.
void plan_pair(Workshop& shop, const std::string& kind, int64_t epochs) {
  shop.use_pair();
  shop.plan.loss = config::Loss::DirectDistill;
  shop.plan.lora->kind = kind;
  shop.plan.optimizer.learning_rate = 1e-3;
  shop.plan.gradient_accumulation_steps = 1;
  shop.plan.num_epochs = epochs;
  shop.plan.save_steps = 3;
}

/// The same update in another dialect: names with a prefix, and of each module half of one factor
/// with an alpha of twice the rank.
void respell(const std::filesystem::path& from, const std::filesystem::path& to, double rank) {
  const auto set = weights::WeightSet::open(from);
  std::vector<at::Tensor> values;
  std::vector<weights::NamedTensor> tensors;
  const auto add = [&](const std::string& name, const at::Tensor& value) {
    values.push_back(value);
    tensors.push_back(runtime::named_tensor("transformer." + name, values.back()));
  };
  for (const weights::TensorInfo& info : set.tensors()) {
    const at::Tensor value = runtime::tensor_of(set.view(info));
    const size_t end = std::min(info.name.find(".lora_B"), info.name.find(".lokr_w2_b"));
    if (end == std::string::npos) {
      add(info.name, value);
    } else {
      add(info.name, value.mul(0.5));
      add(info.name.substr(0, end) + ".alpha", at::full({}, 2 * rank, at::kFloat));
    }
  }
  weights::write_safetensors(to, tensors, {{"format", "pt"}});
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
    Log log;
    Workshop whole, parts;
    for (Workshop* shop : {&whole, &parts}) plan_pair(*shop, kind, 6);
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

TEST_CASE("updates of every kind begin as a checkpoint says, whatever its dialect") {
  for (const std::string kind : {"lora", "dora", "lokr"}) {
    CAPTURE(kind);
    Workshop whole;
    plan_pair(whole, kind, 4);
    Log log;
    whole.train(log);
    const auto file = whole.plan.output_path / "step-3.safetensors";
    const auto respelled = whole.folder.path / "respelled.safetensors";
    respell(file, respelled, static_cast<double>(whole.plan.lora->rank));
    for (const auto& checkpoint : {file, respelled}) {
      CAPTURE(checkpoint.string());
      Workshop next;
      plan_pair(next, kind, 3);
      next.plan.lora->checkpoint = checkpoint;
      Log told;
      next.train(told);
      // Fresh moments make other steps than the run that went on; the first loss is its fourth.
      CHECK(std::abs(told.losses.front() / log.losses.at(3) - 1) <= 1e-5);
      CHECK(told.losses.back() < told.losses.front());
      const auto made = weights::WeightSet::open(next.plan.output_path / "step-3.safetensors");
      CHECK(made.tensors().size() ==
            weights::WeightSet::open(kind == "lora" ? file : checkpoint).tensors().size());
    }
  }
}

TEST_CASE("a checkpoint of another kind, or with layers that are not trained, is refused") {
  Workshop lora, dora;
  plan_pair(lora, "lora", 3);
  plan_pair(dora, "dora", 3);
  lora.train();
  dora.train();
  const auto begin = [](const std::string& kind, const Workshop& from,
                        const std::vector<std::string>& targets) {
    Workshop shop;
    plan_pair(shop, kind, 3);
    shop.plan.lora->checkpoint = from.plan.output_path / "step-3.safetensors";
    shop.plan.lora->targets.names = targets;
    shop.train();
  };
  CHECK_THROWS_WITH_AS(begin("dora", lora, {"to_q", "w2"}),
                       doctest::Contains("expected updates of lora_kind = \"dora\""), Error);
  CHECK_THROWS_WITH_AS(begin("lora", dora, {"to_q", "w2"}),
                       doctest::Contains("expected updates of lora_kind = \"lora\""), Error);
  CHECK_THROWS_WITH_AS(begin("lokr", dora, {"to_q", "w2"}), doctest::Contains("lora_kind"), Error);
  CHECK_THROWS_WITH_AS(begin("lora", lora, {"to_q"}), doctest::Contains("lora_target_modules"),
                       Error);
}
