// Tokenizer "sentencepiece": SentencePiece models (unigram and BPE), as T5 and Llama 2 have them.
//
//   setup value | type | default  | meaning
//   path        | text | (needed) | the .model file, or the folder that holds tokenizer.model,
//               |      |          | spiece.model or sentencepiece.bpe.model
//
// Pipeline file:
//   [tokenizer]
//   use = "org.gesso.sentencepiece.tokenizer"
//   path = "models/t5/spiece.model"
//
// Not done here: begin and end tokens, templates, truncation, padding. The caller does these.
//
// Source: SentencePiece 0.1.97, SentencePieceProcessor.
#include <memory>

#include "gesso/cpp/plugin.hpp"
#include "sentencepiece_tokenizer.hpp"

namespace {

class SentencePiece : public gesso::Component<SentencePiece, gesso::TokenizerInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.gesso.sentencepiece.tokenizer",
                                    .kind = "tokenizer",
                                    .name = "SentencePiece",
                                    .version = "1.0.0",
                                    .summary = "Tokenizers of SentencePiece .model files"};

  void prepare(const gesso::Setup& setup) {
    const std::string path = setup.values.text("path", "");
    if (path.empty())
      throw gesso::Error(gesso::Status::InvalidArgument,
                         "tokenizer: \"path\" is missing; give a .model file or its folder");
    tokenizer_ = std::make_unique<gesso::spm::Tokenizer>(path);
  }

  std::vector<int32_t> encode(std::string_view text) { return tokenizer_->encode(text); }
  std::string decode(std::span<const int32_t> ids) { return tokenizer_->decode(ids); }
  std::optional<int32_t> token_id(std::string_view token) { return tokenizer_->token_id(token); }
  uint64_t vocab_size() { return tokenizer_->vocab_size(); }

 private:
  std::unique_ptr<gesso::spm::Tokenizer> tokenizer_;
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.gesso.sentencepiece", "1.0.0", "Gesso", "Apache-2.0", SentencePiece)
