#include "engine/models/model_ref.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <cctype>

#include "engine/models/environment.hpp"
#include "engine/models/hub.hpp"
#include "engine/models/store.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::models {
namespace {

namespace fs = std::filesystem;

std::string replaced(std::string text, char from, std::string_view into) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + into.size()))
    text.replace(at, 1, into);
  return text;
}

/// The snapshots that Hugging Face's own program keeps of the model, newest first.
std::vector<fs::path> huggingface_snapshots(const std::string& model_id) {
  std::vector<fs::path> snapshots;
  std::error_code none;
  const fs::path model = huggingface_cache() / ("models--" + replaced(model_id, '/', "--"));
  for (const auto& entry : fs::directory_iterator(model / "snapshots", none)) {
    snapshots.push_back(entry.path());
  }
  std::ranges::sort(snapshots, std::greater{},
                    [&](const fs::path& path) { return fs::last_write_time(path, none); });
  return snapshots;
}

/// ModelScope's program writes the dots of a name as "___" in its cache, and keeps older downloads
/// one folder higher.
std::vector<fs::path> modelscope_folders(const std::string& model_id) {
  const fs::path id(model_id);
  const fs::path safe = id.parent_path() / replaced(id.filename().string(), '.', "___");
  const fs::path cache = modelscope_cache();
  std::vector<fs::path> folders;
  for (const fs::path& root : {cache / "models", cache}) {
    folders.push_back(root / id);
    if (safe != id) folders.push_back(root / safe);
  }
  return folders;
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<fs::path> files_in(const fs::path& folder, const std::string& pattern) {
  std::vector<fs::path> files;
  std::error_code none;
  const auto options = fs::directory_options::follow_directory_symlink;
  for (auto it = fs::recursive_directory_iterator(folder, options, none);
       !none && it != fs::recursive_directory_iterator(); it.increment(none)) {
    if (is_hidden(it->path())) {  // parts of downloads, and what the hubs' programs keep for them
      it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file()) continue;
    const std::string name = it->path().lexically_relative(folder).generic_string();
    if (fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME) == 0) files.push_back(it->path());
  }
  std::ranges::sort(files);
  return files;
}

bool is_whole(std::string_view pattern) {
  return pattern.empty() || pattern == "/" || pattern == "./";
}

std::vector<fs::path> find_in(const fs::path& folder, const std::string& pattern) {
  const bool whole = is_whole(pattern);
  if (!whole && pattern.back() != '/') return files_in(folder, pattern);
  const fs::path wanted = whole ? folder : folder / pattern.substr(0, pattern.size() - 1);
  return fs::is_directory(wanted) ? std::vector{wanted} : std::vector<fs::path>{};
}

}  // namespace

std::string source_of(const ModelRef& model) {
  if (!model.download_source.empty()) return model.download_source;
  const std::string named = lower(environment("DIFFSYNTH_DOWNLOAD_SOURCE"));
  if (named.empty()) return kModelScope;
  if (named == kModelScope || named == kHuggingFace) return named;
  throw Error(Status::InvalidArgument,
              fmt::format("DIFFSYNTH_DOWNLOAD_SOURCE: expected {} or {}, found \"{}\"", kModelScope,
                          kHuggingFace, named));
}

fs::path models_folder(const std::string& local_model_path) {
  const std::string base = environment("DIFFSYNTH_MODEL_BASE_PATH");
  if (!base.empty()) return fs::absolute(base);
  return fs::absolute(local_model_path.empty() ? "models" : local_model_path);
}

fs::path folder_of(const ModelRef& model) {
  return models_folder(model.local_model_path) / model.model_id;
}

bool skips_download() { return lower(environment("DIFFSYNTH_SKIP_DOWNLOAD")) == "true"; }

bool may_fetch(const ModelRef& model) {
  return !model.skip_download.value_or(skips_download()) && !is_offline();
}

fs::path huggingface_cache() {
  const std::string cache = environment("HF_HUB_CACHE");
  if (!cache.empty()) return cache;
  const std::string home = environment("HF_HOME");
  if (!home.empty()) return fs::path(home) / "hub";
  return home_folder() / ".cache/huggingface/hub";
}

fs::path modelscope_cache() {
  const std::string cache = environment("MODELSCOPE_CACHE");
  return cache.empty() ? home_folder() / ".cache/modelscope/hub" : fs::path(cache);
}

std::vector<fs::path> places_of(const ModelRef& model, bool existing_only) {
  std::vector<fs::path> folders{folder_of(model)};
  std::ranges::copy(modelscope_folders(model.model_id), std::back_inserter(folders));
  std::ranges::copy(huggingface_snapshots(model.model_id), std::back_inserter(folders));
  if (existing_only) {
    std::erase_if(folders, [](const fs::path& folder) { return !fs::is_directory(folder); });
  }
  return folders;
}

bool matches(std::string_view pattern, const std::string& file) {
  if (is_whole(pattern)) return true;
  if (pattern.back() == '/') return file.starts_with(pattern);
  return fnmatch(std::string(pattern).c_str(), file.c_str(), FNM_PATHNAME) == 0;
}

std::vector<fs::path> find_local(const ModelRef& model) {
  const std::vector<fs::path> folders = places_of(model, false);
  for (const fs::path& folder : folders) {
    const auto is_wanted = [&](const std::string& file) {
      return matches(model.origin_file_pattern, file);
    };
    if (std::ranges::any_of(pending_files(folder), is_wanted)) {
      throw Error(
          Status::NotFound,
          fmt::format("model \"{}\", files \"{}\": the download into {} has not ended; go on "
                      "with it by gesso models pull",
                      model.model_id, model.origin_file_pattern, folder.string()));
    }
    std::vector<fs::path> files = find_in(folder, model.origin_file_pattern);
    if (!files.empty()) return files;
  }
  std::vector<std::string> places;
  for (const fs::path& folder : folders) places.push_back(folder.string());
  throw Error(Status::NotFound,
              fmt::format("model \"{}\", files \"{}\": not on this machine; looked in {}; fetch "
                          "them with gesso models pull, or set path to where they are",
                          model.model_id, model.origin_file_pattern, fmt::join(places, ", ")));
}

}  // namespace gesso::models
