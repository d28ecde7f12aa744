// A tokenizer with one token for each byte of UTF-8.
#include <gesso/cpp/plugin.hpp>

namespace {

class MyPlugin : public gesso::Component<MyPlugin, gesso::TokenizerInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.my_plugin.tokenizer",
                                    .kind = "tokenizer",
                                    .name = "MyPlugin",
                                    .version = "1.0.0",
                                    .summary = "One token for each byte"};

  /// Special tokens inside the text are recognised here, if there are any. No template is added.
  std::vector<int32_t> encode(std::string_view text) const {
    std::vector<int32_t> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string decode(std::span<const int32_t> ids) const {
    std::string text;
    for (const int32_t id : ids) {
      if (id < 0 || id > 255) {
        throw gesso::Error(gesso::Status::InvalidArgument,
                           "expected a token from 0 to 255, found " + std::to_string(id));
      }
      text += static_cast<char>(id);
    }
    return text;
  }
  /// Nothing when there is no such token.
  std::optional<int32_t> token_id(std::string_view token) const {
    if (token.size() != 1) return std::nullopt;
    return static_cast<unsigned char>(token[0]);
  }
  uint64_t vocab_size() const { return 256; }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
