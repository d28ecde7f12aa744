// Unicode normal forms, by ICU.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gesso::bpe {

enum class NormalForm { Nfc, Nfd, Nfkc, Nfkd };

/// `text` (valid UTF-8) in each of the forms, one after another.
std::string normalize(std::string_view text, const std::vector<NormalForm>& forms);

}  // namespace gesso::bpe
