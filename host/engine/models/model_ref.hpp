// A model named as its hub names it, and where its files are on this machine.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gesso::models {

inline constexpr const char* kModelScope = "modelscope";
inline constexpr const char* kHuggingFace = "huggingface";

/// The names and rules are those of DiffSynth-Studio's ModelConfig.
struct ModelRef {
  std::string model_id;  ///< "Tongyi-MAI/Z-Image-Turbo"
  std::string
      origin_file_pattern;       ///< "transformer/*.safetensors"; "" or "./": all; "x/": a folder
  std::string local_model_path;  ///< folder of models; empty: "./models"
  std::string download_source;   ///< kModelScope or kHuggingFace; empty: see `source_of`
  std::optional<bool> skip_download = {};  ///< empty: see `skips_download`

  bool operator==(const ModelRef&) const = default;
};

/// The hub that the model comes from: `download_source`, else DIFFSYNTH_DOWNLOAD_SOURCE, else
/// ModelScope. @throws Error InvalidArgument for an environment variable that names no hub
std::string source_of(const ModelRef& model);

/// The folder that models are put into: DIFFSYNTH_MODEL_BASE_PATH goes before `local_model_path`,
/// as in the reference; "./models" without either.
std::filesystem::path models_folder(const std::string& local_model_path);

/// Where the model's files go when they are fetched.
std::filesystem::path folder_of(const ModelRef& model);

/// DIFFSYNTH_SKIP_DOWNLOAD: whether nothing is fetched unless a pipeline says otherwise.
bool skips_download();

/// Whether missing files may be fetched without being asked for.
bool may_fetch(const ModelRef& model);

/// Folders in which the model is kept, in the order in which they are searched: `folder_of`, then
/// the caches of the hubs' own programs. Those that do not exist are left out on request.
std::vector<std::filesystem::path> places_of(const ModelRef& model, bool existing_only);

/// Whether a file of the model is meant by the pattern. As the reference's glob: '*' stays within
/// one folder.
bool matches(std::string_view pattern, const std::string& file);

/// The files of the model that are on this machine, in name order; a pattern that ends in "/" gives
/// its folder. Never touches the network.
/// @throws Error  NotFound naming what was looked for, and where
std::vector<std::filesystem::path> find_local(const ModelRef& model);

/// The folders of caches: of Hugging Face's program (with models--org--name in it), and of
/// ModelScope's (with org/name in it).
std::filesystem::path huggingface_cache();
std::filesystem::path modelscope_cache();

}  // namespace gesso::models
