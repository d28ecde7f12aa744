#include "engine/models/hub.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/base/json_text.hpp"
#include "engine/models/environment.hpp"
#include "engine/models/model_ref.hpp"
#include "engine/models/waiting.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::models {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  line.erase(line.find_last_not_of(" \t\r\n") + 1);
  return line;
}

std::string huggingface_token() {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (std::string token = environment(name); !token.empty()) return token;
  }
  const std::string path = environment("HF_TOKEN_PATH");
  if (!path.empty()) return first_line(path);
  const std::string home = environment("HF_HOME");
  return first_line((home.empty() ? home_folder() / ".cache/huggingface" : fs::path(home)) /
                    "token");
}

std::string with_scheme(std::string endpoint) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint.find("://") == std::string::npos ? fmt::format("https://{}", endpoint) : endpoint;
}

std::string modelscope_endpoint() {
  for (const char* name : {"MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN"}) {
    if (const std::string value = environment(name); !value.empty()) return with_scheme(value);
  }
  return "https://www.modelscope.cn";
}

/// A path that stays inside the model's folder, and out of what we keep there ourselves.
void check_path(const std::string& path, const std::string& hub) {
  const fs::path parts(path);
  const bool bad = path.empty() || parts.is_absolute() || path.find('\\') != std::string::npos ||
                   std::ranges::any_of(parts, [](const fs::path& part) {
                     return part == ".." || part == "." || part == ".gesso";
                   });
  if (!bad) return;
  throw Error(
      Status::BadData,
      fmt::format("{} lists the file \"{}\", which would lie outside of the model's folder; "
                  "nothing was fetched",
                  hub, path));
}

RemoteFile from_huggingface(const json& entry) {
  const json lfs = entry.value("lfs", json());
  const json& content = lfs.is_object() ? lfs : entry;
  return {entry.at("path"), content.at("size"), checksum_of(content.value("oid", ""))};
}

RemoteFile from_modelscope(const json& entry) {
  return {entry.at("Path"), entry.at("Size"), checksum_of(entry.value("Sha256", ""))};
}

/// The address of `Link: <...>; rel="next"`; "" when this was the last page.
std::string next_page(const Response& response) {
  const std::string link = response.header("link");
  const size_t begin = link.find('<'), end = link.find(">; rel=\"next\"");
  if (begin == std::string::npos || end == std::string::npos || end < begin) return "";
  return link.substr(begin + 1, end - begin - 1);
}

}  // namespace

Hub::Hub(std::string source) : source_(std::move(source)) {
  if (source_ == kHuggingFace) {
    const std::string endpoint = environment("HF_ENDPOINT");
    endpoint_ = with_scheme(endpoint.empty() ? "https://huggingface.co" : endpoint);
    access_.token = huggingface_token();
  } else if (source_ == kModelScope) {
    endpoint_ = modelscope_endpoint();
    access_.token = environment("MODELSCOPE_API_TOKEN");
    access_.token_as_cookie = true;
  } else {
    throw Error(Status::InvalidArgument, fmt::format("expected {} or {} as the hub, found \"{}\"",
                                                     kModelScope, kHuggingFace, source_));
  }
}

std::string Hub::default_revision() const { return source_ == kHuggingFace ? "main" : "master"; }

std::string Hub::url(const std::string& model_id, const std::string& revision,
                     const std::string& path) const {
  const std::string id = url_escape(model_id);
  if (source_ == kHuggingFace) {
    return fmt::format("{}/{}/resolve/{}/{}", endpoint_, id, url_escape(revision, false),
                       url_escape(path));
  }
  return fmt::format("{}/api/v1/models/{}/repo?Revision={}&FilePath={}", endpoint_, id,
                     url_escape(revision, false), url_escape(path, false));
}

std::vector<RemoteFile> Hub::list(const std::string& model_id, const std::string& revision,
                                  const std::function<bool()>& cancelled) const {
  const bool huggingface = source_ == kHuggingFace;
  const std::string id = url_escape(model_id), at = url_escape(revision, false);
  std::string url = huggingface
                        ? fmt::format("{}/api/models/{}/tree/{}?recursive=true", endpoint_, id, at)
                        : fmt::format("{}/api/v1/models/{}/repo/files?Revision={}&Recursive=true",
                                      endpoint_, id, at);
  Http http(access_, cancelled);
  std::vector<RemoteFile> files;
  while (!url.empty()) {
    const Response response = get_with_patience(http, url, cancelled);
    if (!response.ok()) fail(fmt::format("the files of {}", model_id), response);
    const json answer = base::parse_json(response.body);
    try {
      const json& entries = huggingface ? answer : answer.at("Data").at("Files");
      if (!entries.is_array()) throw Error(Status::BadData, "no list");
      for (const json& entry : entries) {
        const std::string type = entry.at(huggingface ? "type" : "Type");
        if (type != (huggingface ? "file" : "blob")) continue;
        files.push_back(huggingface ? from_huggingface(entry) : from_modelscope(entry));
        check_path(files.back().path, source_);
      }
    } catch (const json::exception&) {
      throw Error(Status::BadData,
                  fmt::format("{}: the answer about {} is no list of files; is {} the address of "
                              "this hub?",
                              source_, model_id, endpoint_));
    }
    url = huggingface ? next_page(response) : "";
    // Pages are asked for where the first one was: a token goes nowhere else.
    if (!url.empty() && !url.starts_with(endpoint_ + "/")) {
      throw Error(Status::BadData,
                  fmt::format("{}: the list of files goes on at another host", source_));
    }
  }
  std::ranges::sort(files, {}, &RemoteFile::path);
  return files;
}

void Hub::fail(const std::string& what, const Response& response) const {
  const std::string told =
      fmt::format("{} ({}): {}: {}", source_, endpoint_, what, response.problem());
  if (!response.failure.empty()) {
    throw Error(Status::NotFound,
                told +
                    "; is the network up? proxies are taken from https_proxy, other addresses "
                    "from HF_ENDPOINT and MODELSCOPE_ENDPOINT");
  }
  if (response.status == 401 || response.status == 403) {
    throw Error(Status::Denied,
                fmt::format("{}; {}", told,
                            access_.token.empty()
                                ? fmt::format("the model needs a token: {}", token_advice(source_))
                                : "the token that was given is not enough: was the "
                                  "model's licence accepted on its page?"));
  }
  if (response.status == 404) {
    throw Error(Status::NotFound, fmt::format("{}; is the name right, and is it on this hub? "
                                              "download_source chooses the other one",
                                              told));
  }
  throw Error(Status::NotFound, told + "; try again later");
}

bool is_offline() { return is_on("GESSO_OFFLINE") || is_on("HF_HUB_OFFLINE"); }

std::string token_advice(const std::string& source) {
  return source == kHuggingFace ? "set HF_TOKEN, or log in with hf auth login"
                                : "set MODELSCOPE_API_TOKEN";
}

}  // namespace gesso::models
