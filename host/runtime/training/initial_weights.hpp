// Components that begin untrained, from another's weights ("gesso.initial-weights/1").
#pragma once

#include <cstdint>
#include <string>

#include "engine/config/pipeline_plan.hpp"

namespace gesso::runtime {

/// Gives the component of `role` its first weights: copies are views of the other component's,
/// nothing is read; random numbers are a function of `seed`.
/// @throws Error  NotSupported when it cannot begin so; NotFound when the other one has no weights
void begin_untrained(config::PipelinePlan& pipeline, const std::string& role, uint64_t seed);

}  // namespace gesso::runtime
