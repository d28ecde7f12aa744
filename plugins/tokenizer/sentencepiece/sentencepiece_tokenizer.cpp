#include "sentencepiece_tokenizer.hpp"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "gesso/cpp/error.hpp"
#include "text/utf8.hpp"

namespace gesso::spm {
namespace {

namespace fs = std::filesystem;

fs::path file_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"})
    if (fs::exists(path / name, error)) return path / name;
  throw Error(
      Status::NotFound,
      fmt::format("{}: expected tokenizer.model, spiece.model or sentencepiece.bpe.model in "
                  "this folder",
                  path.string()));
}

std::string bytes_of(const fs::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw Error(
        errno == EACCES ? Status::Denied : Status::NotFound,
        fmt::format("{}: cannot open: {}", path.string(), std::generic_category().message(errno)));
  return {std::istreambuf_iterator<char>(file), {}};
}

void check(const sentencepiece::util::Status& status, Status code, const std::string& where) {
  // The library quotes what it found in the file, whatever its bytes are.
  if (!status.ok())
    throw Error(code, fmt::format("{}: {}", where, text::repair_utf8(status.ToString())));
}

}  // namespace

Tokenizer::Tokenizer(const fs::path& path)
    : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  const fs::path file = file_of(path);
  const std::string bytes = bytes_of(file);
  // An empty file is a valid, empty message to the library.
  if (bytes.empty()) throw Error(Status::BadData, fmt::format("{}: is empty", file.string()));
  const std::string where = fmt::format("{}: is no SentencePiece model", file.string());
  sentencepiece::util::Status status;
  try {
    status = processor_->LoadFromSerializedProto(bytes);
  } catch (const std::exception& error) {  // its parts throw where it has no status
    throw Error(Status::BadData, fmt::format("{}: {}", where, text::repair_utf8(error.what())));
  }
  check(status, Status::BadData, where);
}

Tokenizer::~Tokenizer() = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  text::check_utf8(text);  // the library would put U+FFFD in place of broken bytes without a word
  std::vector<int> ids;
  check(processor_->Encode(text, &ids), Status::Internal, "SentencePiece cannot encode");
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  for (int32_t id : ids)
    if (id < 0 || static_cast<size_t>(id) >= vocab_size())
      throw Error(Status::InvalidArgument,
                  fmt::format("no token has the id {}, expected 0 to {}", id, vocab_size() - 1));
  std::string text;
  check(processor_->Decode(std::vector<int>(ids.begin(), ids.end()), &text), Status::Internal,
        "SentencePiece cannot decode");
  return text;
}

std::optional<int32_t> Tokenizer::token_id(std::string_view token) const {
  const int id = processor_->PieceToId(token);  // an unknown piece gets the id of <unk>
  if (processor_->IdToPiece(id) != token) return {};
  return id;
}

size_t Tokenizer::vocab_size() const { return static_cast<size_t>(processor_->GetPieceSize()); }

}  // namespace gesso::spm
