#include "runtime/machine.hpp"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include <algorithm>
#include <functional>

#include "engine/base/file_region.hpp"
#include "gesso/cpp/error.hpp"
#include "runtime/report.hpp"

namespace gesso::runtime {
namespace {

double best_rate(double flops, const Watch& watch, const std::function<void()>& body) {
  body();
  double best = 1e30;
  for (int i = 0; i < 5; ++i) {
    if (watch.cancelled()) throw Error(Status::Cancelled, "cancelled while measuring");
    const auto start = Clock::now();
    body();
    best = std::min(best, seconds_since(start));
  }
  return flops / best * 1e-9;
}

}  // namespace

nlohmann::json machine_json() {
  return {{"libtorch", TORCH_VERSION},
          {"cpu_capability", at::get_cpu_capability()},
          {"threads", at::get_num_threads()},
          {"native_bf16", __builtin_cpu_supports("avx512bf16") != 0}};
}

nlohmann::json measure_gemm(const Watch& watch) {
  const c10::InferenceMode inference;
  const int64_t tokens = 1056, width = 3840;  // one 512x512 picture, the width of the full model
  const double flops = 2.0 * tokens * width * width;
  const at::Tensor x = at::randn({tokens, width}), w = at::randn({width, width});
  const at::Tensor x16 = x.to(at::kBFloat16), w16 = w.to(at::kBFloat16);
  at::Tensor wide = at::empty_like(w);
  const double f32 = best_rate(flops, watch, [&] { at::linear(x, w); });
  const double widened = best_rate(flops, watch, [&] {
    wide.copy_(w16);
    at::linear(x16.to(at::kFloat), wide).to(at::kBFloat16);
  });
  const double native = best_rate(flops, watch, [&] { at::linear(x16, w16); });
  return {{"gemm_f32", f32},
          {"gemm_bf16", std::max(native, widened)},
          {"gemm_bf16_native", native},
          {"gemm_bf16_widened", widened}};
}

double measure_reading(const Parts& parts) {
  constexpr uint64_t kMost = 128 << 20;
  uint64_t bytes = 0;
  std::vector<std::byte> room;
  double seconds = 0;
  for (const auto& instance : parts.all()) {
    if (!instance->plan().weights) continue;
    for (const std::string& name : instance->plan().weights->names()) {
      const weights::TensorView view = instance->plan().weights->find(name)->data();
      if (bytes >= kMost) return static_cast<double>(bytes) / seconds;
      const auto file = base::FileRegion::of(view.bytes);
      if (!file) continue;
      room.resize(std::max(room.size(), view.bytes.size()));
      const auto start = Clock::now();
      file->read(view.bytes, room.data());
      seconds += seconds_since(start);
      bytes += view.bytes.size();
    }
  }
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

}  // namespace gesso::runtime
