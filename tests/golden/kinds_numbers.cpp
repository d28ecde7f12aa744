// What the runtime and the scheduler compute between the models.
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/TensorOperators.h>
#include <fmt/format.h>
#include <openssl/sha.h>

#include <cstring>

#include "components.hpp"
#include "engine/image/image_resize.hpp"
#include "engine/registry/json_values.hpp"
#include "gesso/kind/scheduler.h"
#include "kinds.hpp"
#include "runtime/sampling.hpp"

namespace gesso::golden {
namespace {

at::ScalarType dtype_of(const std::string& name) {
  return name == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

template <class T>
at::Tensor tensor_of(const std::vector<T>& values, at::ScalarType type) {
  const at::Tensor t =
      at::empty({static_cast<int64_t>(values.size())}, at::TensorOptions().dtype(type));
  std::memcpy(t.mutable_data_ptr(), values.data(), values.size() * sizeof(T));
  return t;
}

/// The scheduler plugin with the parameters of a case.
class Schedule {
 public:
  Schedule(const Context& context, const nlohmann::json& params)
      : bench_(context.registry, plain_plan(*context.registry, "scheduler"), "precise"),
        table_(bench_.instance().interface<gesso_scheduler_t>(GESSO_SCHEDULER_ID)) {
    for (const char* key : {"sigma_shift", "target_timesteps", "target_sigmas"}) {
      if (params.contains(key) && !params.at(key).is_null()) values_json_[key] = params.at(key);
    }
    values_ = registry::values_from_json(values_json_);
    request_ = {sizeof request_,
                params.value("num_inference_steps", 8u),
                params.value("denoising_strength", 1.0),
                0,
                values_.data(),
                values_.size()};
  }
  std::vector<gesso_eval_t> evals() const {
    std::vector<gesso_eval_t> evals(request_.n_steps);
    uint32_t count = 0;
    check_call(table_.plan(self(), call_.get(), &request_, evals.data(), request_.n_steps, &count),
               call_.get());
    if (count != request_.n_steps)
      throw Error(Status::Internal, fmt::format("{} evaluations", count));
    return evals;
  }
  struct Point {
    double timestep, sigma, weight;
  };
  Point point(uint32_t id) const {
    Point p{};
    check_call(table_.train_point(self(), call_.get(), &request_, (id + 0.5) / request_.n_steps,
                                  &p.timestep, &p.sigma, &p.weight),
               call_.get());
    return p;
  }
  uint32_t steps() const { return request_.n_steps; }

 private:
  void* self() const { return bench_.instance().self(); }
  mutable Bench bench_;
  const gesso_scheduler_t& table_;
  nlohmann::json values_json_ = nlohmann::json::object();
  ValueList values_;
  gesso_schedule_request_t request_;
  runtime::Watch nobody_;
  runtime::CallScope call_{nobody_};
};

Tensors scheduler_tables(const Context& context, const Case& golden) {
  Tensors outputs;
  for (const auto& entry : golden.params().at("tables")) {
    const Schedule schedule(context, entry);
    const std::string id = entry.at("id");
    std::vector<float> sigmas, timesteps, weights;
    if (entry.value("training", false)) {
      for (uint32_t i = 0; i < schedule.steps(); ++i) {
        const auto point = schedule.point(i);
        sigmas.push_back(static_cast<float>(point.sigma));
        timesteps.push_back(static_cast<float>(point.timestep));
        weights.push_back(static_cast<float>(point.weight));
      }
      outputs[id + ".weights"] = tensor_of(weights, at::kFloat);
    } else {
      for (const gesso_eval_t& eval : schedule.evals()) {
        sigmas.push_back(static_cast<float>(eval.sigma));
        timesteps.push_back(static_cast<float>(eval.timestep));
      }
    }
    outputs[id + ".sigmas"] = tensor_of(sigmas, at::kFloat);
    outputs[id + ".timesteps"] = tensor_of(timesteps, at::kFloat);
  }
  return outputs;
}

Tensors scheduler_steps(const Context& context, const Case& golden) {
  const Schedule schedule(context, golden.params());
  const auto evals = schedule.evals();
  const auto predictions = golden.input_list("noise_pred");
  Tensors outputs;
  at::Tensor latents = golden.input("latents");
  for (size_t k = 0; k < predictions.size(); ++k) {
    latents = runtime::step(latents, std::span(&predictions[k], 1), {}, evals.at(k));
    outputs[fmt::format("latents.{}", k)] = latents;
  }
  return outputs;
}

Tensors scheduler_add_noise(const Context& context, const Case& golden) {
  const Schedule schedule(context, golden.params());
  const auto evals = schedule.evals();
  std::vector<float> grid;
  for (const auto& eval : evals) grid.push_back(static_cast<float>(eval.timestep));
  const at::Tensor clean = golden.input("input_latents"), noise = golden.input("noise");
  const at::Tensor timesteps = golden.input("timesteps").to(at::kFloat);
  Tensors outputs;
  outputs["training_target"] = noise - clean;
  for (int64_t k = 0; k < timesteps.size(0); ++k) {
    const double sigma = evals[runtime::nearest_timestep(grid, timesteps[k].item<float>())].sigma;
    const at::Tensor noisy = runtime::add_noise(clean, noise, sigma);
    outputs[fmt::format("latents.{}", k)] = noisy;
    outputs[fmt::format("velocity.{}", k)] = (noisy - clean) / sigma;
  }
  return outputs;
}

Tensors scheduler_training_lookup(const Context& context, const Case& golden) {
  nlohmann::json params = golden.params();
  params["num_inference_steps"] = 1000;
  const Schedule schedule(context, params);
  std::vector<Schedule::Point> points;
  std::vector<float> grid;
  for (uint32_t i = 0; i < schedule.steps(); ++i) {
    points.push_back(schedule.point(i));
    grid.push_back(static_cast<float>(points.back().timestep));
  }
  Tensors outputs;
  for (const std::string dtype : {"float32", "bfloat16"}) {
    const at::Tensor rounded = tensor_of(grid, at::kFloat).to(dtype_of(dtype)).to(at::kFloat);
    std::vector<int64_t> ids;
    std::vector<float> sigmas, weights;
    for (int64_t i = 0; i < rounded.size(0); ++i) {
      const size_t id = runtime::nearest_timestep(grid, rounded[i].item<float>());
      ids.push_back(static_cast<int64_t>(id));
      sigmas.push_back(static_cast<float>(points[id].sigma));
      weights.push_back(static_cast<float>(points[id].weight));
    }
    outputs[dtype + ".timestep"] = rounded;
    outputs[dtype + ".lookup_id"] = tensor_of(ids, at::kLong);
    outputs[dtype + ".sigma"] = tensor_of(sigmas, at::kFloat);
    outputs[dtype + ".weight"] = tensor_of(weights, at::kFloat);
  }
  return outputs;
}

Tensors noise_generate(const Context&, const Case& golden) {
  const auto& p = golden.params();
  const at::Tensor noise =
      runtime::initial_noise(p.at("seed").get<uint64_t>(), 16, p.at("height").get<int64_t>() / 8,
                             p.at("width").get<int64_t>() / 8, dtype_of(p.at("dtype")))
          .contiguous();
  const at::Tensor flat = noise.flatten();
  std::vector<uint8_t> digest(SHA256_DIGEST_LENGTH);
  SHA256(static_cast<const uint8_t*>(noise.const_data_ptr()), noise.nbytes(), digest.data());
  return {{"head", flat.slice(0, 0, 512)},
          {"tail", flat.slice(0, flat.size(0) - 64)},
          {"sum_float64", flat.to(at::kDouble).sum().reshape({1})},
          {"abs_sum_float64", flat.to(at::kDouble).abs().sum().reshape({1})},
          {"sha256", tensor_of(digest, at::kByte)}};
}

Tensors guidance_merge(const Context&, const Case& golden) {
  return {{"noise_pred", runtime::merge_guidance(golden.input("positive"), golden.input("negative"),
                                                 golden.params().at("cfg_scale"))}};
}

image::Image image_of(const at::Tensor& bytes_HWC) {
  const at::Tensor bytes = bytes_HWC.contiguous();
  image::Image image(static_cast<int>(bytes.size(1)), static_cast<int>(bytes.size(0)), 3);
  std::memcpy(image.pixels.data(), bytes.const_data_ptr(), image.pixels.size());
  return image;
}

at::Tensor bytes_of(const image::Image& image) {
  return tensor_of(image.pixels, at::kByte).reshape({image.height, image.width, 3});
}

Tensors image_preprocess(const Context&, const Case& golden) {
  const image::Image image = image_of(golden.input("image"));
  const at::ScalarType type = dtype_of(golden.params().at("dtype"));
  return {{"image", runtime::pixels_from_image(image, type).unsqueeze(0)},
          {"mask", runtime::pixels_from_image(image, type, 0, 1).unsqueeze(0)}};
}

Tensors image_postprocess(const Context&, const Case& golden) {
  return {{"image", bytes_of(runtime::image_from_pixels(golden.input("image")[0],
                                                        runtime::EightBit::Truncate))}};
}

Tensors image_crop_and_resize(const Context&, const Case& golden) {
  const auto& p = golden.params();
  const image::Image image = image_of(golden.input("image"));
  if (p.contains("height") && p.contains("width")) {
    const image::Size size{p.at("width"), p.at("height")};
    return {{"image", bytes_of(image::crop_and_resize(image, size))}};
  }
  return {{"image", bytes_of(image::crop_and_resize(image, p.at("max_pixels").get<int64_t>(),
                                                    p.value("height_division_factor", 16),
                                                    p.value("width_division_factor", 16)))}};
}

}  // namespace

void add_number_kinds(std::map<std::string, Compute>& table) {
  table["scheduler.tables"] = scheduler_tables;
  table["scheduler.steps"] = scheduler_steps;
  table["scheduler.add_noise"] = scheduler_add_noise;
  table["scheduler.training_lookup"] = scheduler_training_lookup;
  table["noise.generate"] = noise_generate;
  table["guidance.merge"] = guidance_merge;
  table["image.preprocess"] = image_preprocess;
  table["image.postprocess"] = image_postprocess;
  table["image.crop_and_resize"] = image_crop_and_resize;
}

}  // namespace gesso::golden
