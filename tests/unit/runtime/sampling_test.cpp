#include "runtime/sampling.hpp"

#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <ATen/TensorOperators.h>
#include <doctest/doctest.h>

#include "gesso/cpp/error.hpp"

using namespace gesso;
using namespace gesso::runtime;

namespace {

gesso_eval_t euler(double sigma, double sigma_next) {
  gesso_eval_t eval{};
  eval.sigma = sigma;
  eval.sigma_next = sigma_next;
  eval.c_sample = 1;
  eval.n_history = 1;
  eval.c_history[0] = sigma_next - sigma;
  return eval;
}

}  // namespace

TEST_CASE("an Euler step along a straight flow lands on the picture") {
  const at::Tensor clean = at::randn({16, 4, 6}), noise = at::randn({16, 4, 6});
  const at::Tensor noisy = add_noise(clean, noise, 0.75);
  const at::Tensor velocity = noise - clean;
  const at::Tensor landed = step(noisy, std::span(&velocity, 1), {}, euler(0.75, 0));
  CHECK((landed - clean).abs().max().item<float>() < 1e-5f);
}

TEST_CASE("a step that asks for more history than there is is refused") {
  gesso_eval_t eval = euler(1, 0.5);
  eval.n_history = 2;
  const at::Tensor x = at::zeros({1}), v = at::zeros({1});
  CHECK_THROWS_AS(step(x, std::span(&v, 1), {}, eval), Error);
}

TEST_CASE("the same seed gives the same noise, another seed another") {
  const at::Tensor a = initial_noise(7, 16, 8, 8, at::kFloat);
  CHECK(a.equal(initial_noise(7, 16, 8, 8, at::kFloat)));
  CHECK_FALSE(a.equal(initial_noise(8, 16, 8, 8, at::kFloat)));
}

TEST_CASE("guidance of 1 gives the positive side, of 0 the negative") {
  const at::Tensor positive = at::full({2, 2}, 3.0), negative = at::full({2, 2}, 1.0);
  CHECK(merge_guidance(positive, negative, 1).equal(positive));
  CHECK(merge_guidance(positive, negative, 0).equal(negative));
  CHECK(merge_guidance(positive, negative, 4).equal(at::full({2, 2}, 9.0)));
}

TEST_CASE("every byte survives the way to pixels and back") {
  image::Image image(16, 16, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i % 256);
  const image::Image back =
      image_from_pixels(pixels_from_image(image, at::kFloat), EightBit::Round);
  CHECK(back.pixels == image.pixels);
}

TEST_CASE("eight bits are rounded or truncated, and clipped") {
  const auto byte = [](double value, EightBit mode) {
    return int(image_from_pixels(at::full({3, 1, 1}, value), mode).pixels[0]);
  };
  CHECK(byte(0.1, EightBit::Round) == 140);
  CHECK(byte(0.999, EightBit::Round) == 255);
  CHECK(byte(0.999, EightBit::Truncate) == 254);
  CHECK(byte(-1.2, EightBit::Round) == 0);
  CHECK(byte(7.0, EightBit::Round) == 255);
}

TEST_CASE("the nearest timestep is found, the first of equals") {
  const std::vector<float> grid{1000, 750, 500};
  CHECK(nearest_timestep(grid, 990) == 0);
  CHECK(nearest_timestep(grid, 625) == 1);
  CHECK(nearest_timestep(grid, -5) == 2);
}

TEST_CASE("a preview has the size of the picture and the colour of the map") {
  std::vector<float> weight(16 * 3, 0.0f), bias{1.0f, -1.0f, 0.0f};
  const image::Image picture = preview_from_latents(at::zeros({16, 2, 3}), weight, bias, 8);
  CHECK(picture.width == 24);
  CHECK(picture.height == 16);
  CHECK(int(picture.pixels[0]) == 255);
  CHECK(int(picture.pixels[1]) == 0);
}

TEST_CASE("NaN is named with its place and number") {
  at::Tensor x = at::zeros({4});
  CHECK_NOTHROW(check_finite(x, "denoise step 3 of 8"));
  x[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(
      check_finite(x, "denoise step 3 of 8"),
      "denoise step 3 of 8: 1 of 4 values are NaN or infinite; are the weights of this model, "
      "and is its dtype one that it can be computed in?",
      Error);
}
