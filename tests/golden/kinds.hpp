// What each kind of case computes.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "case.hpp"
#include "engine/registry/registry.hpp"

namespace gesso::golden {

struct Context {
  std::shared_ptr<registry::Registry> registry;
};

/// Computes the outputs of a case. Cases whose outputs are JSON compare them here and return a
/// tensor "json" of mismatches.
using Compute = Tensors (*)(const Context&, const Case&);

/// Kinds that are known, by name.
const std::map<std::string, Compute>& kinds();

// By family, one file each.
void add_control_kinds(std::map<std::string, Compute>& table);
void add_encoder_kinds(std::map<std::string, Compute>& table);
void add_lora_kinds(std::map<std::string, Compute>& table);
void add_model_kinds(std::map<std::string, Compute>& table);
void add_omni_kinds(std::map<std::string, Compute>& table);
void add_storage_kinds(std::map<std::string, Compute>& table);
void add_number_kinds(std::map<std::string, Compute>& table);
void add_training_kinds(std::map<std::string, Compute>& table);
void add_pipeline_kinds(std::map<std::string, Compute>& table);

}  // namespace gesso::golden
