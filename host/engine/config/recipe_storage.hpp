// How frozen weights are kept while something else is trained.
#pragma once

#include <vector>

#include "engine/config/recipe_models.hpp"
#include "engine/config/recipe_reader.hpp"
#include "engine/config/train_plan.hpp"

namespace gesso::config {

/// fp8_models and quant_options become the `storage` of components, offload_models leaves out those
/// that the task does not compute. Weights that are trained keep their own type.
void read_training_storage(const TrainReader& train, const std::vector<NamedModel>& models,
                           const CheckOptions& options, TrainPlan& plan);

}  // namespace gesso::config
