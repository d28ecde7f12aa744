#include "engine/weights/weight_file.hpp"

#include "gesso/cpp/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace gesso::weights {
namespace {

std::string_view head_of(const base::MappedFile& file) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 64)};
}

/// What a file is, judged by its first bytes; "" when they do not tell.
std::string_view content_of(std::string_view head) {
  if (head.starts_with("GGUF")) return "gguf";
  if (head.starts_with(std::string_view("PK\3\4")) || head.starts_with("\x80\x02")) return "pickle";
  if (head.starts_with("version https://git-lfs")) return "a Git LFS pointer; fetch the real file";
  if (head.starts_with("<")) return "a web page; the download went wrong";
  if (head.size() > 8 && head[8] == '{') return "safetensors";
  return "";
}

/// What a file's name promises; "" when it promises nothing.
std::string_view promise_of(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == ".safetensors" || extension == ".sft") return "safetensors";
  if (extension == ".gguf") return "gguf";
  constexpr std::array<std::string_view, 6> kPickles = {".bin",  ".pt",  ".pth",
                                                        ".ckpt", ".pkl", ".pickle"};
  if (std::find(kPickles.begin(), kPickles.end(), extension) != kPickles.end()) return "pickle";
  return "";
}

}  // namespace

WeightFile open_weight_file(const std::filesystem::path& path) {
  auto mapping = base::MappedFile::open(path);
  const std::string_view promise = promise_of(path);
  std::string_view content = content_of(head_of(*mapping));
  if (mapping->bytes().empty()) {
    throw Error(Status::BadData,
                fmt::format("{}: the file is empty; was its download interrupted?", path.string()));
  }
  if (content == "pickle" || (content.empty() && promise == "pickle")) {
    throw Error(
        Status::NotSupported,
        fmt::format("{}: is a Python pickle, which can run any code when it is loaded; "
                    "expected a .safetensors or .gguf file. Convert it once, on a machine or "
                    "in a container that may be lost, with Python's torch and safetensors: "
                    "python3 -c 'import torch, safetensors.torch as s; t = torch.load(\"{}\", "
                    "map_location=\"cpu\", weights_only=True); s.save_file({{n: v.contiguous() "
                    "for n, v in t.get(\"state_dict\", t).items()}}, \"{}\")'",
                    path.string(), path.filename().string(),
                    path.stem().string() + ".safetensors"));
  }
  if (content.empty()) content = promise;
  if (content.empty() || (!promise.empty() && promise != content)) {
    throw Error(Status::BadData, fmt::format("{}: expected {}, found {}", path.string(),
                                             promise.empty() ? "safetensors or gguf" : promise,
                                             content.empty() ? "something else" : content));
  }
  if (content == "gguf") return read_gguf(std::move(mapping));
  if (content == "safetensors") return read_safetensors(std::move(mapping));
  throw Error(Status::BadData, fmt::format("{}: is {}", path.string(), content));
}

}  // namespace gesso::weights
