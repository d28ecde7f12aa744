#include "tokenizer_file.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "gesso/cpp/error.hpp"

namespace gesso::bpe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

[[noreturn]] void bad(const std::string& text) { throw Error(Status::BadData, text); }

[[noreturn]] void not_supported(const std::string& text) {
  throw Error(Status::NotSupported, text);
}

// --- reading -----------------------------------------------------------------------------------

std::string text_of(const fs::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file)
    throw Error(errno == EACCES ? Status::Denied : Status::NotFound,
                fmt::format("cannot open: {}", std::generic_category().message(errno)));
  std::string text(static_cast<size_t>(std::max<std::streamoff>(0, file.tellg())), '\0');
  file.seekg(0);
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size()))) bad("cannot read");
  if (text.starts_with("\x1f\x8b")) bad("is compressed; unpack it with gunzip first");
  return text;
}

// Two parts make up nearly all of the file, "model"/"vocab" and "model"/"merges". They go straight
// to where they are needed; all the rest becomes a small tree.
class Reader : public nlohmann::json_sax<json> {
 public:
  explicit Reader(TokenizerFile& file) : file_(file) {}
  json tree;
  bool has_vocab = false, has_merges = false;

  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_float(double v, const std::string&) override { return value(v); }
  bool binary(json::binary_t&) override { return false; }  // not in JSON text
  bool number_integer(int64_t v) override { return number(v); }
  bool number_unsigned(uint64_t v) override { return number(static_cast<int64_t>(v)); }

  bool string(std::string& v) override {
    if (part_ != Part::Merges) return value(std::move(v));
    if (merge_depth_ > 0) {
      file_.merges.add(v);
    } else {
      add_merge_line(v);
    }
    return true;
  }

  bool key(std::string& v) override {
    key_ = std::move(v);
    return true;
  }

  bool start_object(size_t) override {
    if (part_ != Part::Rest) return value(json::object());
    if (in_model() && key_ == "vocab") {
      part_ = Part::Vocab;
      has_vocab = true;
      return true;
    }
    return open(json::object());
  }

  bool end_object() override { return close(Part::Vocab); }

  bool start_array(size_t) override {
    if (part_ == Part::Merges) {
      if (++merge_depth_ > 1) bad("model.merges: expected pairs of tokens, found a deeper list");
      return true;
    }
    if (part_ == Part::Vocab) return value(json::array());
    if (in_model() && key_ == "merges") {
      part_ = Part::Merges;
      has_merges = true;
      return true;
    }
    return open(json::array());
  }

  bool end_array() override {
    if (part_ == Part::Merges && merge_depth_ > 0) {
      --merge_depth_;
      if (file_.merges.size() % 2) bad("model.merges: a merge has not exactly two tokens");
      return true;
    }
    return close(Part::Merges);
  }

  bool parse_error(size_t position, const std::string&, const json::exception& error) override {
    bad(fmt::format("is not JSON at byte {} (cut short?): {}", position, error.what()));
  }

 private:
  enum class Part { Rest, Vocab, Merges };
  static constexpr size_t kMaxDepth = 100;

  bool in_model() const { return open_.size() == 2 && place_ == "model"; }

  bool number(int64_t v) {
    if (part_ != Part::Vocab) return value(v);
    file_.vocabulary.add(key_, v);
    return true;
  }

  bool value(json v) {
    if (part_ == Part::Vocab)
      bad(fmt::format("model.vocab: token \"{}\" has no number as its id", key_));
    if (part_ == Part::Merges) bad("model.merges: expected strings or pairs of strings");
    put(std::move(v));
    return true;
  }

  json& put(json v) {
    if (open_.empty()) return tree = std::move(v);
    if (open_.back()->is_array()) return open_.back()->emplace_back(std::move(v));
    return (*open_.back())[key_] = std::move(v);
  }

  bool open(json v) {
    // What walks through the tree recurses for each level.
    if (open_.size() == kMaxDepth) bad("objects and lists are nested too deep");
    if (open_.size() == 1) place_ = key_;
    open_.push_back(&put(std::move(v)));
    return true;
  }

  bool close(Part part) {
    if (part_ == part) {
      part_ = Part::Rest;
    } else {
      open_.pop_back();
    }
    return true;
  }

  // The older form: "left right".
  void add_merge_line(const std::string& line) {
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos)
      bad(fmt::format("model.merges: expected two tokens with a space between, got \"{}\"", line));
    file_.merges.add(std::string_view(line).substr(0, space));
    file_.merges.add(std::string_view(line).substr(space + 1));
  }

  TokenizerFile& file_;
  Part part_ = Part::Rest;
  int merge_depth_ = 0;
  std::string key_, place_;  // the last key; the key of the first level that we are in
  std::vector<json*> open_;  // objects and arrays that are open, outermost first
};

// --- understanding -----------------------------------------------------------------------------

std::string type_of(const json& part) {
  return part.is_object() ? part.value("type", "(none)") : std::string(part.type_name());
}

bool is_set(const json& part, const char* key) {
  const auto found = part.find(key);
  return found != part.end() && !found->is_null() && *found != false && *found != "";
}

void read_normalizer(const json& part, std::vector<NormalForm>& forms) {
  if (part.is_null()) return;
  const std::string type = type_of(part);
  if (type == "Sequence") {
    for (const json& step : part.at("normalizers")) read_normalizer(step, forms);
    return;
  }
  static constexpr std::pair<std::string_view, NormalForm> kForms[] = {{"NFC", NormalForm::Nfc},
                                                                       {"NFD", NormalForm::Nfd},
                                                                       {"NFKC", NormalForm::Nfkc},
                                                                       {"NFKD", NormalForm::Nfkd}};
  for (const auto& [name, form] : kForms)
    if (type == name) return forms.push_back(form);
  not_supported(fmt::format("normalizer \"{}\" (known: NFC, NFD, NFKC, NFKD, Sequence)", type));
}

// Source: GPT-2, encoder.py; what "use_regex" stands for.
constexpr std::string_view kGpt2Pattern =
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

void read_split(const json& part, TokenizerFile& file) {
  const json& pattern = part.at("pattern");
  if (!pattern.contains("Regex")) not_supported("pre-tokenizer Split by a plain string");
  if (part.value("behavior", "") != "Isolated" || is_set(part, "invert"))
    not_supported("pre-tokenizer Split other than \"Isolated\" and not inverted");
  file.patterns.push_back(pattern.at("Regex"));
}

// Returns whether the step was ByteLevel, which must be there and come last.
bool read_pre_tokenizer(const json& part, TokenizerFile& file) {
  if (part.is_null()) return false;
  const std::string type = type_of(part);
  if (type == "Sequence") {
    bool byte_level = false;
    for (const json& step : part.at("pretokenizers")) {
      if (byte_level) not_supported("a pre-tokenizer behind ByteLevel");
      byte_level = read_pre_tokenizer(step, file);
    }
    return byte_level;
  }
  if (type == "Split") {
    read_split(part, file);
    return false;
  }
  if (type != "ByteLevel")
    not_supported(fmt::format("pre-tokenizer \"{}\" (known: Split, ByteLevel, Sequence)", type));
  if (is_set(part, "add_prefix_space")) not_supported("pre-tokenizer with add_prefix_space");
  if (part.value("use_regex", true)) file.patterns.emplace_back(kGpt2Pattern);
  return true;
}

int64_t id_of(const json& token) {
  const json& id = token.at("id");
  if (!id.is_number_integer())
    bad(fmt::format("added_tokens: expected a whole number as the id, found {}", id.dump()));
  return id;
}

void read_added_tokens(const json& list, std::vector<AddedToken>& tokens) {
  for (const json& token : list)
    tokens.push_back({id_of(token), token.at("content"), token.value("single_word", false),
                      token.value("lstrip", false), token.value("rstrip", false),
                      token.value("normalized", false)});
}

void read_model(const json& model, const Reader& reader, TokenizerFile& file) {
  const std::string type = model.value("type", "BPE");  // old files do not say it
  if (type != "BPE") not_supported(fmt::format("model \"{}\", expected BPE", type));
  if (!reader.has_vocab) bad("model.vocab is missing");
  if (!reader.has_merges) bad("model.merges is missing");
  for (const char* key :
       {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "fuse_unk"})
    if (is_set(model, key)) not_supported(fmt::format("model.{}", key));
  file.ignore_merges = model.value("ignore_merges", false);
  if (is_set(model, "unk_token")) file.unknown_token = model.at("unk_token");
}

TokenizerFile parse(const std::string& text) {
  TokenizerFile file;
  Reader reader(file);
  json::sax_parse(text, &reader);
  const json& tree = reader.tree;
  if (!tree.is_object() || !tree.contains("model") || !tree["model"].is_object())
    bad("is no tokenizer.json: it has no \"model\"");
  read_model(tree["model"], reader, file);
  read_normalizer(tree.value("normalizer", json()), file.normal_forms);
  if (!read_pre_tokenizer(tree.value("pre_tokenizer", json()), file))
    not_supported("a tokenizer without ByteLevel pre-tokenizer: this is not a byte-level BPE");
  read_added_tokens(tree.value("added_tokens", json::array()), file.added_tokens);
  return file;
}

}  // namespace

fs::path tokenizer_json(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error) ? path / "tokenizer.json" : path;
}

TokenizerFile read_tokenizer_json(const fs::path& file) {
  try {
    return parse(text_of(file));
  } catch (const json::exception& error) {  // a key is missing or has a value of another type
    bad(fmt::format("is no tokenizer.json as expected: {}", error.what()));
  }
}

}  // namespace gesso::bpe
