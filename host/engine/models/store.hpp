// The models on this machine: what there is, whether it is whole, and how it goes away.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/models/hub.hpp"
#include "engine/models/model_ref.hpp"

namespace gesso::models {

/// What Gesso keeps beside a model's files, in the folder ".gesso".
struct Record {
  std::string source, revision;
  struct File {
    uint64_t size = 0;
    Checksum checksum;
  };
  std::map<std::string, File> files;  // those that were fetched and checked

  /// Empty when there is none, or none that can be read.
  static Record load(const std::filesystem::path& model_folder);
  void save(const std::filesystem::path& model_folder) const;
};

/// Files of a model that are being fetched: until they are all there, the model counts as absent.
std::vector<std::string> pending_files(const std::filesystem::path& model_folder);
void set_pending_files(const std::filesystem::path& model_folder,
                       const std::vector<std::string>& files);

/// A model as one of the places keeps it.
struct StoredModel {
  std::string model_id;
  std::string kind;  // "models": a folder of models; "linked": imported; kModelScope, kHuggingFace:
                     // the cache of that hub's program
  std::filesystem::path folder;
  uint64_t size_bytes = 0;
  size_t n_files = 0;
  bool complete = true;
};
std::vector<StoredModel> list_models(const std::string& local_model_path);

/// Makes the models of a folder known without copying them: as links in the folder of models.
/// @param from  a cache of Hugging Face's or ModelScope's program, a folder of models (org/name),
/// or
///              with `model_id` the files of one model
/// @return      the links that were made
/// @throws Error  NotFound for a folder without models; InvalidArgument when a model of that name
/// is
///                there already
std::vector<StoredModel> import_models(const std::filesystem::path& from,
                                       const std::string& model_id,
                                       const std::string& local_model_path);

/// Removes a model from the folder of models; of an imported one the link only.
/// @return  bytes that were set free
/// @throws Error  NotFound; Denied for a model that only a hub's cache has: its own program removes
///                it
uint64_t remove_model(const ModelRef& model);

/// How a file stands to what its hub says of it.
struct Verdict {
  enum State { Good, Bad, Unknown } state = Unknown;  // Unknown: nothing to compare with
  std::string file, text;
};
/// Reads all files of the model that the pattern names. Checksums come from the record of the
/// download, from the names in Hugging Face's cache, else from the hub.
/// @param online    whether the hub may be asked
/// @param progress  called with bytes read; it may throw
/// @throws Error    NotFound as find_local
std::vector<Verdict> verify_model(
    const ModelRef& model, bool online, const std::function<bool()>& cancelled,
    const std::function<void(uint64_t, const std::string&)>& progress);

}  // namespace gesso::models
