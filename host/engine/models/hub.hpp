// What Hugging Face and ModelScope answer about a model's files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/checksum.hpp"
#include "engine/models/http.hpp"

namespace gesso::models {

using base::Checksum;
using base::checksum_of;
using base::hash_file;
using base::Hasher;

struct RemoteFile {
  std::string path;  // below the model: "transformer/config.json"
  uint64_t size = 0;
  Checksum checksum;
};

/// One of the two hubs, where it is and how it is spoken to.
class Hub {
 public:
  /// Endpoints: HF_ENDPOINT; MODELSCOPE_ENDPOINT, else MODELSCOPE_DOMAIN. Tokens: HF_TOKEN,
  /// HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH or $HF_HOME/token; MODELSCOPE_API_TOKEN.
  explicit Hub(std::string source);

  const std::string& name() const { return source_; }
  const std::string& endpoint() const { return endpoint_; }
  std::string default_revision() const;
  /// With the token, if there is one.
  Access access() const { return access_; }
  std::string url(const std::string& model_id, const std::string& revision,
                  const std::string& path) const;

  /// All files of the model, by name.
  /// @throws Error  NotFound for a model that the hub does not have; Denied for one that needs a
  ///                token, or another; NotFound when the hub cannot be reached; BadData for an
  ///                answer that is no list of files, or has a path that leads out of the model
  std::vector<RemoteFile> list(const std::string& model_id, const std::string& revision,
                               const std::function<bool()>& cancelled) const;

  /// For messages: what a status means here, and what to do about it.
  [[noreturn]] void fail(const std::string& what, const Response& response) const;

 private:
  std::string source_, endpoint_;
  Access access_;
};

/// GESSO_OFFLINE or HF_HUB_OFFLINE is set: nothing is asked of any hub.
bool is_offline();

/// "HF_TOKEN", ...: for messages.
std::string token_advice(const std::string& source);

}  // namespace gesso::models
