// Tokenizer "qwen_bpe": byte-level BPE from a tokenizer.json.
//
// Serves Qwen2/Qwen3 and every other tokenizer of this kind (GPT-2, Llama 3): vocabulary, merges,
// added tokens, pattern and normal form all come from the file. The ids equal those of the
// `tokenizers` library with add_special_tokens = false.
//
//   setup value | type | default  | meaning
//   path        | text | (needed) | tokenizer.json, or the folder that holds it
//
// Pipeline file:
//   [tokenizer]
//   use = "org.gesso.qwen_bpe.tokenizer"
//   path = "models/z-image/tokenizer"
//
// How a text becomes ids (tokenizer.cpp):
//   1. added tokens such as <|im_start|> are taken out of the text   added_tokens.cpp
//   2. the rest is brought into its normal form (NFC)                normalizer.cpp
//   3. a regular expression cuts it into words                       pattern.cpp
//   4. each word's bytes are joined, lowest rank first               bpe.cpp
//
// Not done here: chat templates, truncation, padding. The caller does these.
//
// Source: Hugging Face tokenizers 0.23 (models/bpe, pre_tokenizers/byte_level, added_vocabulary).
#include <memory>

#include "gesso/cpp/plugin.hpp"
#include "tokenizer.hpp"

namespace {

class QwenBpe : public gesso::Component<QwenBpe, gesso::TokenizerInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.gesso.qwen_bpe.tokenizer",
                                    .kind = "tokenizer",
                                    .name = "Qwen BPE",
                                    .version = "1.0.0",
                                    .summary = "Byte-level BPE from a tokenizer.json"};

  void prepare(const gesso::Setup& setup) {
    const std::string path = setup.values.text("path", "");
    if (path.empty())
      throw gesso::Error(gesso::Status::InvalidArgument,
                         "tokenizer: \"path\" is missing; give tokenizer.json or its folder");
    tokenizer_ = std::make_unique<gesso::bpe::Tokenizer>(path);
  }

  std::vector<int32_t> encode(std::string_view text) { return tokenizer_->encode(text); }
  std::string decode(std::span<const int32_t> ids) { return tokenizer_->decode(ids); }
  std::optional<int32_t> token_id(std::string_view token) { return tokenizer_->token_id(token); }
  uint64_t vocab_size() { return tokenizer_->vocab_size(); }

 private:
  std::unique_ptr<gesso::bpe::Tokenizer> tokenizer_;
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.gesso.qwen_bpe", "1.0.0", "Gesso", "Apache-2.0", QwenBpe)
