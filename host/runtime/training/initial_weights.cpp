#include "runtime/training/initial_weights.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>

#include "engine/data/order.hpp"
#include "gesso/ext/initial_weights.h"
#include "runtime/instance.hpp"
#include "runtime/parts.hpp"
#include "runtime/training/tensor_files.hpp"

namespace gesso::runtime {
namespace {

using Named = std::map<std::string, weights::StoredWeight, std::less<>>;

/// Gathers what a component tells.
struct Gathering {
  const config::ComponentPlan& base;
  uint64_t seed;
  Named made{};
  gesso_initial_sink_t sink{sizeof(gesso_initial_sink_t), 0, this, accept};

  static gesso_status_t GESSO_CALL accept(const gesso_initial_sink_t* sink, const char* name,
                                          const char* source, const int64_t* shape, int32_t ndim,
                                          uint32_t, double spread) {
    return guard(nullptr, [&] {
      auto& self = *static_cast<Gathering*>(sink->data);
      self.made[name] = source ? self.copied(source)
                               : self.random({shape, shape + ndim}, spread, self.made.size());
    });
  }
  weights::StoredWeight copied(const std::string& source) const {
    auto found = base.weights->find(source);
    if (found) return *found;
    throw Error(Status::NotFound, fmt::format("there is no weight \"{}\"", source));
  }
  weights::StoredWeight random(const std::vector<int64_t>& shape, double spread,
                               size_t place) const {
    auto generator = at::detail::createCPUGenerator(data::mixed(seed, place));
    at::Tensor numbers = at::empty(shape, at::kFloat);
    numbers.uniform_(-spread, spread, generator);
    return weights::StoredWeight(named_tensor("", numbers).view);
  }
};

config::ComponentPlan& of_role(config::PipelinePlan& pipeline, const std::string& role) {
  for (config::ComponentPlan& component : pipeline.components) {
    if (component.role == role) return component;
  }
  throw Error(Status::NotFound,
              fmt::format("{}: nothing fills the role \"{}\"", pipeline.name, role));
}

}  // namespace

void begin_untrained(config::PipelinePlan& pipeline, const std::string& role, uint64_t seed) {
  config::ComponentPlan& component = of_role(pipeline, role);
  component.weights = nullptr;
  component.files.clear();
  config::PipelinePlan alone = pipeline;
  alone.components = {component};
  const Watch nobody;
  const Parts parts(alone, nobody);
  const Instance& untrained = parts.get(role);
  const auto& table = untrained.interface<gesso_initial_weights_t>(GESSO_INITIAL_WEIGHTS_ID);
  const config::ComponentPlan& base = of_role(pipeline, table.role);
  if (!base.weights) {
    throw Error(Status::NotFound, fmt::format("{}: \"{}\" begins with the weights of \"{}\", which "
                                              "has none here",
                                              pipeline.name, role, table.role));
  }
  Gathering gathering{base, seed};
  gesso_weights names(base.info->id, base.role, base.weights, weights::DType::F32, parts.devices(),
                      nullptr);
  ErrorText text;
  check(table.list(untrained.self(), &names, &gathering.sink, &text.error), text);
  component.weights = std::make_shared<weights::MappedWeights>(weights::MappedWeights::of(
      fmt::format("untrained weights of {}", component.info->id), std::move(gathering.made)));
}

}  // namespace gesso::runtime
