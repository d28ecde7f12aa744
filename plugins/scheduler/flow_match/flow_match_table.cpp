#include "flow_match_table.hpp"

#include <algorithm>
#include <cmath>

namespace gesso::flow_match {
namespace {

/// As torch.linspace(start, 0, n + 1) without its last element: from both ends, one rounding each.
std::vector<float> linspace(float start, uint32_t n) {
  const float step = (0.0f - start) / static_cast<float>(n);
  const uint32_t halfway = (n + 1) / 2;
  std::vector<float> u(n);
  for (uint32_t i = 0; i < n; ++i) {
    u[i] = i < halfway ? std::fma(step, static_cast<float>(i), start)
                       : -(step * static_cast<float>(n - i));
  }
  return u;
}

}  // namespace

std::vector<float> sigmas(uint32_t n_steps, double strength, double shift) {
  std::vector<float> levels = linspace(static_cast<float>(strength), n_steps);
  const float factor = static_cast<float>(shift), slope = static_cast<float>(shift - 1);
  for (float& u : levels) u = factor * u / (1.0f + slope * u);
  return levels;
}

float timestep(float sigma) { return sigma * 1000.0f; }

std::vector<double> training_weights(const std::vector<float>& sigmas) {
  std::vector<double> weights;
  for (const float sigma : sigmas) {
    const double distance = (timestep(sigma) - 500.0) / 1000.0;
    weights.push_back(std::exp(-2.0 * distance * distance));
  }
  const double lowest = *std::min_element(weights.begin(), weights.end());
  double sum = 0;
  for (double& w : weights) sum += w -= lowest;
  for (double& w : weights) w *= 1000.0 / sum;
  if (weights.size() == 1000) return weights;
  // Short grids: the reference scales by their length and lifts all by the second weight.
  for (double& w : weights) w *= static_cast<double>(weights.size()) / 1000.0;
  const double lift = weights.at(1);
  for (double& w : weights) w += lift;
  return weights;
}

}  // namespace gesso::flow_match
