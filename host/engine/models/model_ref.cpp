#include "engine/models/model_ref.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>

#include "gesso/cpp/error.hpp"

namespace gesso::models {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// The snapshots that Hugging Face's own program keeps of the model, newest first.
std::vector<fs::path> huggingface_snapshots(const std::string& model_id) {
  std::string cache = environment("HF_HUB_CACHE");
  const std::string home = environment("HF_HOME");
  if (cache.empty() && !home.empty()) cache = home + "/hub";
  if (cache.empty()) cache = environment("HOME") + "/.cache/huggingface/hub";
  std::string name = "models--" + model_id;
  for (size_t at = name.find('/'); at != std::string::npos; at = name.find('/')) {
    name.replace(at, 1, "--");
  }
  std::vector<fs::path> snapshots;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(fs::path(cache) / name / "snapshots", none)) {
    snapshots.push_back(entry.path());
  }
  std::ranges::sort(snapshots, std::greater{},
                    [&](const fs::path& path) { return fs::last_write_time(path, none); });
  return snapshots;
}

/// Where the model may be, in the order in which it is looked for.
std::vector<fs::path> folders_of(const ModelRef& model) {
  std::vector<fs::path> folders;
  const std::string base = environment("DIFFSYNTH_MODEL_BASE_PATH");
  if (!base.empty()) folders.push_back(fs::path(base) / model.model_id);
  const fs::path local = model.local_model_path.empty() ? "models" : model.local_model_path;
  folders.push_back(fs::absolute(local) / model.model_id);
  std::string cache = environment("MODELSCOPE_CACHE");
  if (cache.empty()) cache = environment("HOME") + "/.cache/modelscope/hub";
  folders.push_back(fs::path(cache) / "models" / model.model_id);
  std::ranges::copy(huggingface_snapshots(model.model_id), std::back_inserter(folders));
  return folders;
}

std::vector<fs::path> files_in(const fs::path& folder, const std::string& pattern) {
  std::vector<fs::path> files;
  std::error_code none;
  const auto options = fs::directory_options::follow_directory_symlink;
  for (auto it = fs::recursive_directory_iterator(folder, options, none);
       !none && it != fs::recursive_directory_iterator(); it.increment(none)) {
    if (!it->is_regular_file()) continue;
    const std::string name = it->path().lexically_relative(folder).generic_string();
    // As the reference's glob: '*' stays within one folder.
    if (fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME) == 0) files.push_back(it->path());
  }
  std::ranges::sort(files);
  return files;
}

std::vector<fs::path> find_in(const fs::path& folder, const std::string& pattern) {
  const bool whole = pattern.empty() || pattern == "./";
  if (!whole && pattern.back() != '/') return files_in(folder, pattern);
  const fs::path wanted = whole ? folder : folder / pattern.substr(0, pattern.size() - 1);
  return fs::is_directory(wanted) ? std::vector{wanted} : std::vector<fs::path>{};
}

}  // namespace

std::vector<fs::path> find_local(const ModelRef& model) {
  const std::vector<fs::path> folders = folders_of(model);
  for (const fs::path& folder : folders) {
    std::vector<fs::path> files = find_in(folder, model.origin_file_pattern);
    if (!files.empty()) return files;
  }
  std::vector<std::string> places;
  for (const fs::path& folder : folders) places.push_back(folder.string());
  throw Error(Status::NotFound,
              fmt::format("model \"{}\", files \"{}\": not on this machine; looked in {}; put the "
                          "files there, or set path to where they are",
                          model.model_id, model.origin_file_pattern, fmt::join(places, ", ")));
}

}  // namespace gesso::models
