// A pipeline file after it was checked: everything that instantiating needs, nothing left to guess.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/registry/registry.hpp"
#include "engine/weights/mapped_weights.hpp"
#include "engine/weights/storage_rule.hpp"

namespace gesso::config {

/// One component of the pipeline.
struct ComponentPlan {
  std::string role;   // "denoiser"
  std::string where;  // "emoji.toml:12:1", for messages of later stages
  const registry::ComponentInfo* info = nullptr;
  std::string dtype;                                      // compute type: "bf16" or "f32"
  std::vector<std::filesystem::path> files;               // as resolved; empty: none given
  std::shared_ptr<const weights::MappedWeights> weights;  // null: takes none
  weights::StorageRule storage;  // what is kept in another format than the file's
  std::string storage_warning;   // what the variant says of weights stored so; "": nothing
  nlohmann::json values;  // its setup parameters by key, presets filled in; plus "path" if any
  nlohmann::json config;  // config.json beside the weights, flat; null: there is none
  nlohmann::json memory = nlohmann::json::object();  // its own settings for the memory policy
};

/// One entry of [[adapters]]: a LoRA file and how it acts.
struct AdapterPlan {
  enum class Side { Both, Positive, Negative };  // of guidance
  enum class Mode {
    Runtime,  // x A B is added while the component runs
    Fuse,     // added once into a private copy of each weight
  };
  std::string name;   // unique in the pipeline; default: the file's stem
  std::string where;  // "style.toml:9:1", for messages of later stages
  const registry::ComponentInfo* source = nullptr;  // kind "delta_source"
  std::vector<std::filesystem::path> files;
  std::shared_ptr<const weights::WeightSet> tensors;
  std::string role = "denoiser";  // the component whose weights it updates
  double scale = 1.0;
  Side side = Side::Both;
  Mode mode = Mode::Runtime;
  bool strict = true;  // a key that matches nothing is an error
};

struct PipelinePlan {
  std::string name;  // the file, for messages
  std::shared_ptr<registry::Registry> registry;
  const registry::VariantInfo* variant = nullptr;
  std::string numerics;          // "precise" or "diffsynth"
  std::string local_model_path;  // where models are looked for; "": the usual place
  std::vector<ComponentPlan> components;
  std::vector<AdapterPlan> adapters;
  std::vector<std::string> isolate;  // ids of plugins and components that run in child processes
  nlohmann::json memory = nlohmann::json::object();  // what the file sets in [memory], checked
  nlohmann::json generate;                           // what the file sets in [generate], checked
  nlohmann::json output;                             // what the file sets in [output], checked

  /// Null when no component fills the role.
  const ComponentPlan* component(std::string_view role) const;
};

}  // namespace gesso::config
