// The gradients of components against autograd over plain operations in double precision.
#pragma once

#include <doctest/doctest.h>

#include <torch/csrc/autograd/autograd.h>

#include <map>
#include <string>
#include <vector>

#include "runtime/training/parameters.hpp"

namespace gesso {

using Leaves = std::map<std::string, at::Tensor>;

inline Leaves leaves_of(const runtime::Parameters& parameters) {
  Leaves leaves;
  for (const runtime::Parameter& parameter : parameters.all()) {
    leaves[parameter.name] = parameter.value.to(at::kDouble).clone().requires_grad_(true);
  }
  return leaves;
}

inline std::vector<at::Tensor> gradients_of(const at::Tensor& loss,
                                            const runtime::Parameters& parameters,
                                            const Leaves& leaves) {
  std::vector<at::Tensor> wanted;
  for (const auto& parameter : parameters.all()) wanted.push_back(leaves.at(parameter.name));
  return torch::autograd::grad({loss}, wanted);
}

/// @param expected  in the order of the parameters
inline void check_gradients(const runtime::Parameters& parameters,
                            const std::vector<at::Tensor>& expected, double scale = 1) {
  size_t place = 0;
  for (const runtime::Parameter& parameter : parameters.all()) {
    CAPTURE(parameter.name);
    REQUIRE(parameter.grad.defined());
    const at::Tensor grad = expected.at(place++).mul(scale);
    const double error = parameter.grad.to(at::kDouble).sub(grad).norm().item<double>();
    CHECK(error <= 1e-4 * grad.norm().item<double>() + 1e-8);
  }
}

}  // namespace gesso
