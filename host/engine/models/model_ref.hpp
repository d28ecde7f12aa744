// A model named as its hub names it, and where its files are on this machine.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gesso::models {

/// The names and rules are those of DiffSynth-Studio's ModelConfig.
struct ModelRef {
  std::string model_id;  ///< "Tongyi-MAI/Z-Image-Turbo"
  std::string
      origin_file_pattern;       ///< "transformer/*.safetensors"; "" or "./": all; "x/": a folder
  std::string local_model_path;  ///< folder of models; empty: "./models"
};

/// The files of the model that are on this machine, in name order; a pattern that ends in "/" gives
/// its folder. Never touches the network. DIFFSYNTH_MODEL_BASE_PATH goes before `local_model_path`;
/// caches of the hubs' own programs are searched after it.
/// @throws Error  NotFound naming what was looked for, and where
std::vector<std::filesystem::path> find_local(const ModelRef& model);

}  // namespace gesso::models
