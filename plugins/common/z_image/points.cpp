#include "z_image/points.hpp"

#include <algorithm>
#include <string>

#include "gesso/cpp/torch.hpp"

namespace gesso::z_image {
namespace {

std::vector<Port> taps(const char* counts, const char* counts_dims) {
  return {{"x", "L D", kPerItem, "f32|bf16"},
          {"condition", "C", kPerItem, "f32|bf16"},
          {"cos", "L K", kPerItem, "f32"},
          {"sin", "L K", kPerItem, "f32"},
          {counts, counts_dims, kPerItem, "i64"}};
}

std::vector<Point> points_of(const DitConfig& config) {
  std::vector<Point> points;
  const auto add_blocks = [&](const std::string& name, int64_t count) {
    for (int64_t i = 0; i < count; ++i) points.push_back({name + std::to_string(i), kAdd});
  };
  points.push_back({"embed", kTap, taps("sizes", "3")});
  add_blocks("noise_refiner.", config.n_noise_refiners);
  points.push_back({"unified", kTap, taps("image_tokens", "1")});
  add_blocks("layers.", config.n_layers);
  return points;
}

void check_residual(const Injectors::Residual& residual, const std::vector<at::Tensor*>& batch_LD) {
  const std::string what = "residual of item " + std::to_string(residual.item) + ": ";
  if (residual.item < 0 || residual.item >= static_cast<int64_t>(batch_LD.size())) {
    throw Error(Status::InvalidArgument,
                what + "there are " + std::to_string(batch_LD.size()) + " items, counted from 0");
  }
  const auto expected = batch_LD[static_cast<size_t>(residual.item)]->sizes();
  const auto found = shape_of(residual.tensor.dl());
  if (std::ranges::equal(found, expected)) return;
  throw Error(Status::InvalidArgument,
              what + "expected " + shape_text({expected.data(), expected.size()}) + ", found " +
                  shape_text(found) + "; is this another model's ControlNet?");
}

}  // namespace

Points::Points(const DitConfig& config)
    : n_noise_refiners_(static_cast<size_t>(config.n_noise_refiners)), table_(points_of(config)) {}

void TapList::lend(const at::Tensor& x_LD, const at::Tensor& condition_1C, const nn::Rotary& rotary,
                   std::initializer_list<int64_t> counts) {
  add(kX, torch::give(x_LD));
  add(kCondition, torch::give(condition_1C.flatten()));
  add(kCos, torch::give(rotary.cos));
  add(kSin, torch::give(rotary.sin));
  const int64_t shape[] = {static_cast<int64_t>(counts.size())};
  Tensor list = Tensor::empty(kI64, shape);
  std::copy(counts.begin(), counts.end(), elements<int64_t>(list.dl()).begin());
  add(kCounts, std::move(list));
  ++next_item_;
}

void TapList::add(uint32_t tap, Tensor tensor) {
  items_.push_back({tap, next_item_, tensor.get()});
  tensors_.push_back(std::move(tensor));
}

void show_taps(const Injectors& injectors, const Call& call, uint32_t point, const TapList& taps) {
  if (injectors.at(call, point, taps.items()).empty()) return;
  throw Error(Status::InvalidArgument, "a residual was given at a point that takes none");
}

void add_residuals(const Injectors& injectors, const Call& call, uint32_t point,
                   const std::vector<at::Tensor*>& batch_LD) {
  for (Injectors::Residual& residual : injectors.at(call, point, {})) {
    const auto item = static_cast<size_t>(residual.item);
    check_residual(residual, batch_LD);
    batch_LD[item]->add_(torch::adopt(std::move(residual.tensor)));
  }
}

}  // namespace gesso::z_image
