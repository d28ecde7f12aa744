#include "engine/models/store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/base/atomic_file.hpp"
#include "engine/base/json_text.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::models {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kKept = ".gesso";

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// Folders (and links to some) directly in `folder`, by name.
std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (entry.is_directory(none) && !is_hidden(entry.path())) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

/// Every file of a model, with its name below the folder.
std::vector<std::pair<std::string, fs::path>> files_of(const fs::path& folder) {
  std::vector<std::pair<std::string, fs::path>> files;
  std::error_code none;
  const auto options = fs::directory_options::follow_directory_symlink;
  for (auto it = fs::recursive_directory_iterator(folder, options, none);
       !none && it != fs::recursive_directory_iterator(); it.increment(none)) {
    if (is_hidden(it->path())) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file(none)) {
      files.emplace_back(it->path().lexically_relative(folder).generic_string(), it->path());
    }
  }
  std::ranges::sort(files);
  return files;
}

/// Nothing when the folder has no file: then it is no model.
std::optional<StoredModel> describe(const std::string& model_id, const char* kind,
                                    const fs::path& folder) {
  StoredModel model{model_id, kind, folder};
  for (const auto& [name, path] : files_of(folder)) {
    ++model.n_files;
    std::error_code none;
    const uint64_t size = fs::file_size(path, none);
    if (!none) model.size_bytes += size;
  }
  model.complete = pending_files(folder).empty();
  if (model.n_files == 0 && model.complete) return std::nullopt;
  return model;
}

/// org/name folders.
std::vector<StoredModel> models_in(const fs::path& root, const char* kind) {
  std::vector<StoredModel> found;
  for (const fs::path& owner : folders_in(root)) {
    if (owner.filename() == "models" || owner.filename() == "datasets") continue;
    for (const fs::path& folder : folders_in(owner)) {
      std::string name = folder.filename().string();
      for (size_t at; (at = name.find("___")) != std::string::npos;) name.replace(at, 3, 1, '.');
      const bool linked = fs::is_symlink(folder) && std::string_view(kind) == "models";
      auto model =
          describe(owner.filename().string() + "/" + name, linked ? "linked" : kind, folder);
      if (model) found.push_back(std::move(*model));
    }
  }
  return found;
}

/// models--org--name/snapshots/<commit> folders.
std::vector<StoredModel> models_in_huggingface(const fs::path& cache) {
  std::vector<StoredModel> found;
  constexpr std::string_view kPrefix = "models--";
  for (const fs::path& folder : folders_in(cache)) {
    std::string name = folder.filename().string();
    if (!name.starts_with(kPrefix)) continue;
    name.erase(0, kPrefix.size());
    if (const size_t at = name.find("--"); at != std::string::npos) name.replace(at, 2, "/");
    for (const fs::path& snapshot : folders_in(folder / "snapshots")) {
      if (auto model = describe(name, kHuggingFace, snapshot)) found.push_back(std::move(*model));
    }
  }
  return found;
}

void append(std::vector<StoredModel>& all, std::vector<StoredModel> more) {
  std::ranges::move(more, std::back_inserter(all));
}

/// Hugging Face's cache keeps files under their checksums, and links to them.
Checksum checksum_in_cache(const fs::path& file) {
  std::error_code none;
  const fs::path real = fs::canonical(file, none);
  return none || real.parent_path().filename() != "blobs" ? Checksum{}
                                                          : checksum_of(real.filename().string());
}

}  // namespace

Record Record::load(const fs::path& model_folder) {
  std::ifstream file(model_folder / kKept / "files.json");
  const json stored = base::parse_json(file);
  Record record;
  if (!stored.is_object()) return record;
  record.source = stored.value("source", "");
  record.revision = stored.value("revision", "");
  const json files = stored.value("files", json::object());  // items() does not own what it walks
  for (const auto& [path, entry] : files.items()) {
    record.files[path] = {entry.value("size", uint64_t{0}),
                          checksum_of(entry.value("checksum", ""))};
  }
  return record;
}

void Record::save(const fs::path& model_folder) const {
  json stored{{"source", source}, {"revision", revision}, {"files", json::object()}};
  for (const auto& [path, file] : files) {
    stored["files"][path] = {{"size", file.size}, {"checksum", file.checksum.hex}};
  }
  fs::create_directories(model_folder / kKept);
  base::write_file(model_folder / kKept / "files.json", stored.dump(1) + "\n");
}

std::vector<std::string> pending_files(const fs::path& model_folder) {
  std::ifstream file(model_folder / kKept / "pending");
  std::vector<std::string> files;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) files.push_back(line);
  }
  return files;
}

void set_pending_files(const fs::path& model_folder, const std::vector<std::string>& files) {
  const fs::path path = model_folder / kKept / "pending";
  if (files.empty()) {
    fs::remove(path);
    return;
  }
  std::string text;
  for (const std::string& file : files) text += file + "\n";
  base::write_file(path, text);
}

std::vector<StoredModel> list_models(const std::string& local_model_path) {
  std::vector<StoredModel> all = models_in(models_folder(local_model_path), "models");
  append(all, models_in(modelscope_cache() / "models", kModelScope));
  append(all, models_in(modelscope_cache(), kModelScope));
  append(all, models_in_huggingface(huggingface_cache()));
  return all;
}

std::vector<StoredModel> import_models(const fs::path& from, const std::string& model_id,
                                       const std::string& local_model_path) {
  if (!fs::is_directory(from)) {
    throw Error(Status::NotFound, fmt::format("{}: there is no such folder", from.string()));
  }
  const fs::path root = fs::canonical(from);
  std::vector<StoredModel> found;
  if (!model_id.empty()) {
    if (auto model = describe(model_id, "linked", root)) found.push_back(std::move(*model));
  } else {
    for (const fs::path& folder : {root, root / "hub"})
      append(found, models_in_huggingface(folder));
    for (const fs::path& folder : {root, root / "models", root / "hub", root / "hub/models"}) {
      if (found.empty()) append(found, models_in(folder, "linked"));
    }
  }
  if (found.empty()) {
    throw Error(Status::NotFound,
                fmt::format("{}: no model is in it; expected a cache of Hugging Face's or "
                            "ModelScope's program, folders org/name, or the files of one model "
                            "whose name --as gives",
                            from.string()));
  }
  std::vector<std::pair<fs::path, fs::path>> links;
  for (StoredModel& model : found) {
    const fs::path link = models_folder(local_model_path) / model.model_id;
    if (fs::exists(fs::symlink_status(link))) {
      std::error_code none;
      if (fs::equivalent(link, model.folder, none)) continue;
      throw Error(Status::InvalidArgument,
                  fmt::format("{}: is there already; remove it first with gesso models rm {}",
                              link.string(), model.model_id));
    }
    links.emplace_back(model.folder, link);
    model.kind = "linked";
  }
  for (const auto& [folder, link] : links) {
    fs::create_directories(link.parent_path());
    fs::create_directory_symlink(folder, link);
  }
  return found;
}

uint64_t remove_model(const ModelRef& model) {
  const fs::path folder = folder_of(model);
  if (fs::is_symlink(folder)) {
    fs::remove(folder);
    return 0;
  }
  if (!fs::is_directory(folder)) {
    const std::vector<fs::path> elsewhere = places_of(model, true);
    if (elsewhere.empty()) {
      throw Error(Status::NotFound, fmt::format("model \"{}\": not on this machine; {} does not "
                                                "exist",
                                                model.model_id, folder.string()));
    }
    throw Error(Status::Denied,
                fmt::format("model \"{}\": is in {}, which belongs to that hub's own program; "
                            "remove it there",
                            model.model_id, elsewhere.front().string()));
  }
  uint64_t size = 0;
  for (const auto& [name, path] : files_of(folder)) {
    std::error_code none;
    if (!fs::is_symlink(path)) size += fs::file_size(path, none);
  }
  // Out of sight first, so that a half removed model is never taken for one.
  const fs::path doomed =
      folder.parent_path() / fmt::format(".{}.removed", folder.filename().string());
  fs::remove_all(doomed);
  fs::rename(folder, doomed);
  fs::remove_all(doomed);
  std::error_code none;
  fs::remove(folder.parent_path(), none);  // when it is empty
  return size;
}

std::vector<Verdict> verify_model(
    const ModelRef& model, bool online, const std::function<bool()>& cancelled,
    const std::function<void(uint64_t, const std::string&)>& progress) {
  const std::vector<fs::path> places = places_of(model, true);
  const auto has_files = [&](const fs::path& place) {
    return std::ranges::any_of(files_of(place), [&](const auto& file) {
      return matches(model.origin_file_pattern, file.first);
    });
  };
  const auto place = std::ranges::find_if(places, has_files);
  if (place == places.end()) {
    find_local(model);  // says where it was looked for
    throw Error(Status::NotFound, fmt::format("model \"{}\": has no files", model.model_id));
  }
  Record record = Record::load(*place);
  std::map<std::string, Record::File> listed;  // by the hub, asked when it is first needed
  bool asked = false;
  const auto ask_hub = [&] {
    if (asked || !online) return;
    asked = true;
    const Hub hub(record.source.empty() ? source_of(model) : record.source);
    for (RemoteFile& file : hub.list(model.model_id, hub.default_revision(), cancelled)) {
      listed[file.path] = {file.size, std::move(file.checksum)};
    }
  };
  std::vector<Verdict> verdicts;
  for (const std::string& name : pending_files(*place)) {
    if (!matches(model.origin_file_pattern, name)) continue;
    verdicts.push_back({Verdict::Bad, name, "is not there: its download did not end"});
  }
  for (const auto& [name, path] : files_of(*place)) {
    if (!matches(model.origin_file_pattern, name)) continue;
    Record::File expected;
    if (const auto known = record.files.find(name); known != record.files.end()) {
      expected = known->second;
    } else if (expected.checksum = checksum_in_cache(path); expected.checksum.kind != 0) {
      expected.size = fs::file_size(path);
    } else {
      ask_hub();
      if (const auto known = listed.find(name); known != listed.end()) expected = known->second;
    }
    Verdict verdict{Verdict::Unknown, name, "nothing is known to compare it with"};
    if (expected.checksum.kind != Checksum::None) {
      const uint64_t size = fs::file_size(path);
      const std::string hex = size == expected.size
                                  ? hash_file(path, expected.checksum.kind,
                                              [&](uint64_t bytes) {
                                                if (cancelled())
                                                  throw Error(Status::Cancelled, "cancelled");
                                                progress(bytes, name);
                                              })
                                  : "";
      const bool good = hex == expected.checksum.hex;
      verdict.state = good ? Verdict::Good : Verdict::Bad;
      verdict.text = good ? expected.checksum.text()
                     : hex.empty()
                         ? fmt::format("has {} bytes, expected {}", size, expected.size)
                         : fmt::format("expected {}, found {}", expected.checksum.text(), hex);
    }
    // Else the next pull would trust the record, and keep the damaged file.
    const bool forgotten = verdict.state == Verdict::Bad && record.files.erase(name) > 0;
    if (forgotten) record.save(*place);
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

}  // namespace gesso::models
