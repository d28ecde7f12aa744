// Where a ControlNet stops in a run of the transformer, and what it reads there.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "gesso/cpp/injection.hpp"
#include "gesso/cpp/torch.hpp"

namespace gesso::z_image_control {

struct ControlPoints {
  enum : size_t { kX, kCondition, kCos, kSin, kCounts };  // places in the lists of taps

  uint32_t embed, unified;
  std::vector<uint32_t> refiners, layers, all;
  std::vector<uint32_t> embed_taps, unified_taps;

  /// @param places  main blocks of the transformer that are added to
  /// @throws Error  Incompatible when the transformer lacks a point or a tap
  ControlPoints(const PointList& points, size_t n_refiners, const std::vector<int64_t>& places) {
    const auto add = [&](const std::string& name, uint32_t flags) {
      all.push_back(points.place_of(name, flags));
      return all.back();
    };
    embed = add("embed", kTap);
    for (size_t i = 0; i < n_refiners; ++i) {
      refiners.push_back(add("noise_refiner." + std::to_string(i), kAdd));
    }
    unified = add("unified", kTap);
    for (const int64_t place : places) {
      layers.push_back(add("layers." + std::to_string(place), kAdd));
    }
    std::sort(all.begin(), all.end());
    for (const char* name : {"x", "condition", "cos", "sin"}) {
      embed_taps.push_back(points.tap_of(embed, name));
      unified_taps.push_back(points.tap_of(unified, name));
    }
    embed_taps.push_back(points.tap_of(embed, "sizes"));
    unified_taps.push_back(points.tap_of(unified, "image_tokens"));
  }
};

/// The tensors of one tap, copied: they are borrowed for the call alone.
inline std::vector<at::Tensor> copies(const Taps& taps, uint32_t tap) {
  std::vector<at::Tensor> list;
  for (const gesso_tensor_t* tensor : taps.list(tap)) {
    list.push_back(torch::borrow(tensor).clone());
  }
  return list;
}

}  // namespace gesso::z_image_control
