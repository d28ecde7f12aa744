#include "engine/models/pull.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>

#include "engine/base/atomic_file.hpp"
#include "engine/models/fetch.hpp"
#include "engine/models/store.hpp"
#include "engine/models/waiting.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::models {
namespace {

namespace fs = std::filesystem;

/// Held while a process works on a model; the system lets go of it when the process dies.
class Lock {
 public:
  Lock(const fs::path& path, const PullOptions& options) {
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) {
      throw Error(Status::Denied, fmt::format("{}: cannot be opened: {}", path.string(),
                                              std::generic_category().message(errno)));
    }
    bool told = false;
    while (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      if (!told) options.info("another process is fetching this model; waiting for it");
      told = true;
      try {
        wait(0.2, options.cancelled);
      } catch (...) {
        ::close(file_);
        throw;
      }
    }
  }
  ~Lock() { ::close(file_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int file_ = -1;
};

/// The config.json beside a file.
std::string config_beside(const std::string& path) {
  return (fs::path(path).parent_path() / "config.json").generic_string();
}

/// What the pattern means, and before it the config.json beside each: without it weights of unusual
/// sizes cannot be used.
std::vector<RemoteFile> wanted_files(const Hub& hub, const ModelRef& model,
                                     const std::string& revision, const PullOptions& options) {
  const std::vector<RemoteFile> all = hub.list(model.model_id, revision, options.cancelled);
  std::vector<RemoteFile> wanted;
  for (const RemoteFile& file : all) {
    if (matches(model.origin_file_pattern, file.path)) wanted.push_back(file);
  }
  std::vector<RemoteFile> configs;
  for (const RemoteFile& file : all) {
    const auto is_beside = [&](const RemoteFile& other) {
      return file.path != other.path && file.path == config_beside(other.path);
    };
    if (matches(model.origin_file_pattern, file.path)) continue;
    if (std::ranges::any_of(wanted, is_beside)) configs.push_back(file);
  }
  wanted.insert(wanted.begin(), configs.begin(), configs.end());
  if (!wanted.empty()) return wanted;
  std::string names;
  for (const RemoteFile& file : all) {
    if (names.size() < 300) names += (names.empty() ? "" : ", ") + file.path;
  }
  throw Error(Status::NotFound, fmt::format("{}: {} has no file \"{}\"; it has {}", hub.name(),
                                            model.model_id, model.origin_file_pattern, names));
}

class Pull {
 public:
  Pull(const ModelRef& model, const PullOptions& options)
      : model_(model),
        options_(options),
        hub_(source_of(model)),
        revision_(options.revision.empty() ? hub_.default_revision() : options.revision) {
    result_.folder = folder_of(model);
  }

  Pulled run() {
    refuse_foreign_folder();
    std::vector<RemoteFile> wanted = wanted_files(hub_, model_, revision_, options_);
    fs::create_directories(scratch());
    const Lock lock(scratch() / "lock", options_);
    base::remove_left_behind(scratch());
    record_ = Record::load(result_.folder);
    record_.source = hub_.name();
    record_.revision = revision_;
    for (const RemoteFile& file : wanted) total_ += file.size;
    std::erase_if(wanted, [&](const RemoteFile& file) { return keep(file); });
    check_room(wanted);
    fetch_all(wanted);
    record_.save(result_.folder);
    return std::move(result_);
  }

 private:
  fs::path scratch() const { return result_.folder / ".gesso"; }

  void refuse_foreign_folder() const {
    if (!fs::is_symlink(result_.folder)) return;
    throw Error(
        Status::Denied,
        fmt::format("{}: was imported from {}, and is used in place; fetch the rest there, or "
                    "take it out with gesso models rm {}",
                    result_.folder.string(), fs::read_symlink(result_.folder).string(),
                    model_.model_id));
  }

  /// Whether the file is there as the hub lists it. What somebody else put there is read once.
  bool keep(const RemoteFile& file) {
    const fs::path path = result_.folder / file.path;
    if (!fs::is_regular_file(path) || fs::file_size(path) != file.size) return false;
    const auto known = record_.files.find(file.path);
    const bool recorded = known != record_.files.end() && known->second.checksum == file.checksum &&
                          file.checksum.kind != Checksum::None;
    if (!recorded && file.checksum.kind != Checksum::None) {
      options_.info(fmt::format("{}: is there; checking it", file.path));
      const std::string hex = hash_file(path, file.checksum.kind, [&](uint64_t) {
        if (options_.cancelled()) throw Error(Status::Cancelled, "cancelled");
      });
      if (hex != file.checksum.hex) {
        options_.info(fmt::format("{}: is not what the hub has now; fetching it", file.path));
        return false;
      }
    }
    record_.files[file.path] = {file.size, file.checksum};
    result_.present.push_back(file.path);
    done_ += file.size;
    return true;
  }

  FetchRequest request_for(const RemoteFile& file) {
    FetchRequest request;
    request.url = hub_.url(model_.model_id, revision_, file.path);
    request.file = file;
    request.target = result_.folder / file.path;
    request.scratch = scratch();
    request.access = hub_.access();
    request.access.stall_seconds = options_.stall_seconds;
    request.connections = options_.connections;
    request.cancelled = options_.cancelled;
    request.progress = [this, path = file.path](int64_t bytes) {
      options_.progress(done_ += static_cast<uint64_t>(bytes), total_, path);
    };
    return request;
  }

  void check_room(const std::vector<RemoteFile>& files) {
    uint64_t needed = 0;
    for (const RemoteFile& file : files) {
      const uint64_t kept = bytes_kept(request_for(file));
      done_ += kept;
      needed += file.size - kept;
    }
    const uint64_t room = fs::space(result_.folder).available;
    if (needed <= room) return;
    constexpr double kMiB = 1 << 20;
    throw Error(Status::Denied,
                fmt::format("{}: {:.0f} MiB are to be fetched, the disk has room for {:.0f} MiB; "
                            "nothing was fetched. DIFFSYNTH_MODEL_BASE_PATH or local_model_path "
                            "choose another place",
                            result_.folder.string(), static_cast<double>(needed) / kMiB,
                            static_cast<double>(room) / kMiB));
  }

  void fetch_all(const std::vector<RemoteFile>& files) {
    // Other patterns of this model may still be on their way, from a call that was broken off.
    std::vector<std::string> pending = pending_files(result_.folder);
    for (const RemoteFile& file : files) {
      if (std::ranges::find(pending, file.path) == pending.end()) pending.push_back(file.path);
    }
    for (const std::string& path : result_.present) std::erase(pending, path);
    set_pending_files(result_.folder, pending);
    for (const RemoteFile& file : files) {
      fs::create_directories((result_.folder / file.path).parent_path());
      fetch_one(file);
      result_.fetched.push_back(file.path);
      if (file.checksum.kind == Checksum::None) result_.unchecked.push_back(file.path);
      record_.files[file.path] = {file.size, file.checksum};
      record_.save(result_.folder);
      std::erase(pending, file.path);
      set_pending_files(result_.folder, pending);
    }
  }

  /// Bytes may be spoilt on the way once; who spoils them twice is not asked again.
  void fetch_one(const RemoteFile& file) {
    const FetchRequest request = request_for(file);
    try {
      result_.received_bytes += fetch(hub_, request);
    } catch (const SpoiltContent& error) {
      options_.info(fmt::format("{}; once more", error.what()));
      done_ -= file.size;
      result_.received_bytes += file.size + fetch(hub_, request);
    }
  }

  const ModelRef& model_;
  const PullOptions& options_;
  Hub hub_;
  std::string revision_;
  Pulled result_;
  Record record_;
  std::atomic<uint64_t> done_ = 0;
  uint64_t total_ = 0;
};

}  // namespace

Pulled pull(const ModelRef& model, const PullOptions& options) {
  if (is_offline()) {
    throw Error(Status::Denied, fmt::format("model \"{}\": cannot be fetched: GESSO_OFFLINE or "
                                            "HF_HUB_OFFLINE is set",
                                            model.model_id));
  }
  return Pull(model, options).run();
}

}  // namespace gesso::models
