#include "adapter/keys.hpp"

#include <span>

namespace gesso::adapter {
namespace {

/// A spelling of a part. `adapter`: PEFT may put the adapter's name and ".weight" behind it.
struct Spelling {
  std::string_view text;
  const char* part;
  bool adapter;
};

constexpr Spelling kSpellings[] = {
    {".lora_A", kDown, true},
    {".lora_B", kUp, true},
    {".lora_down", kDown, true},
    {".lora_up", kUp, true},
    {".lora.down", kDown, true},
    {".lora.up", kUp, true},
    {".lora_linear_layer.down", kDown, true},
    {".lora_linear_layer.up", kUp, true},
    {".lora_magnitude_vector", kMagnitude, true},
    {".dora_scale", kMagnitude, false},
    {".alpha", kAlpha, false},
    {".diff", kDiff, false},
    {".hada_w1_a", "hada_w1_a", false},
    {".hada_w1_b", "hada_w1_b", false},
    {".hada_w2_a", "hada_w2_a", false},
    {".hada_w2_b", "hada_w2_b", false},
    {".lokr_w1", "lokr_w1", false},
    {".lokr_w1_a", "lokr_w1_a", false},
    {".lokr_w1_b", "lokr_w1_b", false},
    {".lokr_w2", "lokr_w2", false},
    {".lokr_w2_a", "lokr_w2_a", false},
    {".lokr_w2_b", "lokr_w2_b", false},
};

/// Whether `rest` is "", ".weight", ".<adapter>" or ".<adapter>.weight".
bool is_adapter_tail(std::string_view rest) {
  constexpr std::string_view kWeight = ".weight";
  if (rest.ends_with(kWeight)) rest.remove_suffix(kWeight.size());
  return rest.empty() || (rest.front() == '.' && rest.find('.', 1) == std::string_view::npos);
}

}  // namespace

std::optional<Key> split_key(std::string_view name) {
  for (const Spelling& spelling : kSpellings) {
    const size_t at = name.rfind(spelling.text);
    if (at == std::string_view::npos || at == 0) continue;
    const std::string_view rest = name.substr(at + spelling.text.size());
    if (spelling.adapter ? !is_adapter_tail(rest) : !rest.empty()) continue;
    return Key{std::string(name.substr(0, at)), spelling.part};
  }
  return std::nullopt;
}

}  // namespace gesso::adapter
