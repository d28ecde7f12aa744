// The trainer on the goldens' small transformer and a cache of made-up items.
#include <doctest/doctest.h>

#include <cmath>

#include "gesso/cpp/error.hpp"
#include "runtime/training/checkpoint.hpp"
#include "training_workshop.hpp"

using namespace gesso;
namespace fs = std::filesystem;

namespace {

struct Log : runtime::TrainReport {
  void step(const runtime::TrainStep& told) override {
    losses.push_back(told.loss);
    if (told.micro_batch == stop_at) cancelled = true;
  }
  std::vector<double> losses;
  int64_t stop_at = -1;
  bool cancelled = false;
};

}  // namespace

TEST_CASE("a LoRA is trained and saved under the reference's names") {
  Workshop shop;
  Log log;
  const auto summary = shop.train(log);
  CHECK(summary.at("micro_batches") == 10);
  CHECK(summary.at("optimizer_steps") == 6);  // 5 items in groups of 2: the last of one
  CHECK(log.losses.size() == 10);
  const auto set = weights::WeightSet::open(shop.plan.output_path / "step-10.safetensors");
  CHECK(set.find("layers.0.attention.to_q.lora_A.default.weight"));
  CHECK(set.find("noise_refiner.0.feed_forward.w2.lora_B.default.weight"));
  CHECK(set.tensors().size() == 2 * 2 * 5);
  for (const char* name : {"step-3", "step-6", "step-9"}) {
    CHECK(fs::exists(shop.plan.output_path / (std::string(name) + ".safetensors")));
  }
}

TEST_CASE("a run that is stopped anywhere and resumed ends with the same bits") {
  Workshop whole;
  whole.plan.optimizer.ema_decay = 0.9;
  whole.train();
  for (int64_t stop = 1; stop < 10; stop += 2) {
    CAPTURE(stop);
    Workshop parts;
    parts.plan.optimizer.ema_decay = 0.9;
    parts.plan.resume = true;
    Log log;
    log.stop_at = stop;
    runtime::Watch watch;
    watch.cancelled = [&] { return log.cancelled; };
    CHECK_THROWS_AS(parts.train(log, watch), Error);
    parts.train();
    CHECK(parts.bytes("step-10.safetensors") == whole.bytes("step-10.safetensors"));
    CHECK(parts.bytes("step-10-ema.safetensors") == whole.bytes("step-10-ema.safetensors"));
  }
}

TEST_CASE("checkpoints that are offloaded give the same bits") {
  Workshop blocks, offloaded;
  offloaded.plan.checkpointing = config::TrainPlan::Checkpointing::BlocksOffloaded;
  blocks.train();
  offloaded.train();
  CHECK(offloaded.bytes("step-10.safetensors") == blocks.bytes("step-10.safetensors"));
}

TEST_CASE("8-bit states are resumed to the bit, too") {
  Workshop whole, parts;
  whole.plan.optimizer.states = parts.plan.optimizer.states = config::OptimizerPlan::States::Bits8;
  whole.train();
  parts.plan.resume = true;
  Log log;
  log.stop_at = 7;
  runtime::Watch watch;
  watch.cancelled = [&] { return log.cancelled; };
  CHECK_THROWS_AS(parts.train(log, watch), Error);
  parts.train();
  CHECK(parts.bytes("step-10.safetensors") == whole.bytes("step-10.safetensors"));
}

TEST_CASE("a state of another run is refused, with what differs") {
  Workshop shop;
  shop.train();
  shop.plan.resume = true;
  shop.plan.seed = shop.plan.data.seed = 8;
  CHECK_THROWS_WITH_AS(shop.train(), doctest::Contains("seed 7"), Error);
}

TEST_CASE("a loss that is no number ends the run with step and item, and keeps what was saved") {
  Workshop shop;
  data::CacheWriter writer(shop.folder.path / "broken", {{"test", true}});
  for (size_t i = 0; i < 5; ++i) Workshop::add(writer, i, 4, 5, i == 4 ? std::nan("") : 0);
  writer.finish(5);
  shop.plan.data.base_path = shop.folder.path / "broken";
  shop.plan.data.shuffle = false;
  CHECK_THROWS_WITH_AS(shop.train(), doctest::Contains("micro-batch 5"), Error);
  CHECK_THROWS_WITH_AS(shop.train(), doctest::Contains("items.csv:6"), Error);
  CHECK(fs::exists(shop.plan.output_path / "step-3.safetensors"));
}

TEST_CASE("a batch of two is the mean of two: one step of it equals two accumulated") {
  Workshop together(4), apart(4);
  for (Workshop* shop : {&together, &apart}) {
    shop->plan.num_epochs = 1;
    shop->plan.data.shuffle = false;
    shop->plan.save_steps = 0;
    shop->plan.data.bucket_by_caption = false;
  }
  together.plan.data.batch_size = 2;
  together.plan.gradient_accumulation_steps = 1;
  together.train();
  apart.train();
  const auto a = weights::WeightSet::open(together.plan.output_path / "epoch-0.safetensors");
  const auto b = weights::WeightSet::open(apart.plan.output_path / "epoch-0.safetensors");
  for (const weights::TensorInfo& info : a.tensors()) {
    CAPTURE(info.name);
    const at::Tensor one = runtime::tensor_of(a.view(info));
    const at::Tensor other = runtime::tensor_of(b.view(*b.find(info.name)));
    CHECK(one.sub(other).norm().item<double>() <= 1e-2 * one.norm().item<double>());
  }
}

TEST_CASE("the whole transformer is trained, checkpoints have its names, and can be gone on from") {
  Workshop shop;
  shop.plan.lora.reset();
  shop.plan.trainable = {{"denoiser", "", "dit"}};
  shop.plan.max_steps = 2;
  shop.plan.save_steps = 0;
  Log log;
  const auto summary = shop.train(log);
  CHECK(summary.at("optimizer_steps") == 2);
  const auto file = shop.plan.output_path / "step-4.safetensors";
  const auto set = weights::WeightSet::open(file);
  CHECK(set.find("x_pad_token"));
  CHECK(set.tensors().size() ==
        weights::WeightSet::open(kModels / "dit/diffusers.safetensors").tensors().size());

  Workshop next;
  next.plan.lora.reset();
  next.plan.trainable = shop.plan.trainable;
  next.plan.resume_weights = file;
  next.plan.resume_role = "denoiser";
  next.plan.max_steps = 1;
  next.train();
}

TEST_CASE("held-out items give a loss that training does not see") {
  Workshop shop(6);
  shop.plan.data.validation_split = 0.34;
  shop.plan.validation_steps = 2;
  struct Held : runtime::TrainReport {
    void validation(int64_t, double loss) override { losses.push_back(loss); }
    std::vector<double> losses;
  } held;
  const auto summary = shop.train(held);
  CHECK(summary.at("micro_batches") == 8);
  CHECK(held.losses.size() == 4);
  CHECK(std::isfinite(held.losses.back()));
}

TEST_CASE("trajectory imitation and direct distillation run, and the teacher stays as it was") {
  for (const auto loss : {config::Loss::DirectDistill, config::Loss::TrajectoryImitation}) {
    Workshop shop(1);
    shop.use_pair();
    shop.plan.loss = loss;
    shop.plan.teacher_steps = 6;
    shop.plan.student_steps = 2;
    shop.plan.num_epochs = 3;
    shop.plan.gradient_accumulation_steps = 1;
    Log log;
    shop.train(log);
    REQUIRE(log.losses.size() == 3);
    CHECK(log.losses.back() < log.losses.front());
  }
}
