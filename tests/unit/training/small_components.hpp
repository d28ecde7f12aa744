// Components over the goldens' small models.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>

#include <filesystem>
#include <memory>
#include <string>

#include "engine/config/pipeline_plan.hpp"
#include "engine/weights/weight_set.hpp"

namespace gesso {

inline const std::filesystem::path kModels =
    std::filesystem::path(GESSO_SOURCE_DIR) / "tests/golden/data/models";

inline at::Tensor random(const std::vector<int64_t>& shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::empty(shape, at::kFloat).normal_(0, 1, generator);
}

inline std::shared_ptr<registry::Registry> scan_plugins() {
  registry::SearchOptions search;
  search.given = {std::filesystem::path(GESSO_BINARY_DIR) / "lib/gesso/plugins"};
  return registry::Registry::scan(search);
}

/// @param file  of its weights, if it has any; below kModels or absolute
inline config::ComponentPlan component(registry::Registry& registry, const std::string& role,
                                       const std::string& id,
                                       const std::filesystem::path& file = {},
                                       nlohmann::json config = {}) {
  config::ComponentPlan plan;
  plan.role = role;
  plan.where = "test.toml:1:1";
  plan.info = &registry.component(id);
  plan.dtype = "f32";
  plan.values = nlohmann::json::object();
  if (file.empty()) return plan;
  plan.files = {kModels / file};
  plan.weights = std::make_shared<weights::MappedWeights>(weights::MappedWeights::open(
      weights::WeightSet::open(plan.files), plan.info->pattern.value()));
  plan.config = std::move(config);
  return plan;
}

inline config::ComponentPlan denoiser(registry::Registry& registry) {
  return component(registry, "denoiser", "org.gesso.z_image.denoiser", "dit/diffusers.safetensors",
                   {{"axes_dims", {8, 12, 12}}, {"axes_lens", {1024, 512, 512}}, {"n_heads", 2}});
}

}  // namespace gesso
