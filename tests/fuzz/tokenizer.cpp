// tokenizer.json, and what is then asked of the tokenizer.
#include "tokenizer.hpp"

#include "input.hpp"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const gesso::fuzz::InputFile file("tokenizer.json");
  gesso::fuzz::expect_no_more_than_an_error([&] {
    gesso::bpe::Tokenizer tokenizer(file.write(gesso::fuzz::text_of(data, size)));
    const auto ids = tokenizer.encode("<s>abc  a Caf\u00e9,\n\t12 \u7f8e\U0001F34E's </s>");
    tokenizer.decode(ids);
    tokenizer.token_id("<s>");
  });
  return 0;
}
