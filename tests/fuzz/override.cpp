// `--set key=value`, several at once: zero bytes lie between them, as they do in a program's
// arguments.
#include "../unit/config/workshop.hpp"
#include "input.hpp"

namespace {

std::vector<std::string> arguments_of(std::string_view text) {
  std::vector<std::string> arguments;
  while (true) {
    const size_t end = text.find('\0');
    arguments.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return arguments;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const gesso::test::Workshop shop;
  static const auto registry = shop.registry();
  const auto arguments = arguments_of(gesso::fuzz::text_of(data, size));
  gesso::fuzz::expect_no_more_than_an_error([&] {
    gesso::config::load_pipeline_text(registry, gesso::test::kWorking, "emoji.toml", shop.folder(),
                                      arguments);
  });
  return 0;
}
