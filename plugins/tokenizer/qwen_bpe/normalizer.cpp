#include "normalizer.hpp"

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

#include <algorithm>

#include "gesso/cpp/error.hpp"

namespace gesso::bpe {
namespace {

void check(UErrorCode code) {
  if (U_FAILURE(code))
    throw Error(Status::Internal, fmt::format("ICU cannot normalize: {}", u_errorName(code)));
}

const icu::Normalizer2& normalizer_of(NormalForm form) {
  UErrorCode code = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = nullptr;
  switch (form) {
    case NormalForm::Nfc:
      normalizer = icu::Normalizer2::getNFCInstance(code);
      break;
    case NormalForm::Nfd:
      normalizer = icu::Normalizer2::getNFDInstance(code);
      break;
    case NormalForm::Nfkc:
      normalizer = icu::Normalizer2::getNFKCInstance(code);
      break;
    case NormalForm::Nfkd:
      normalizer = icu::Normalizer2::getNFKDInstance(code);
      break;
  }
  check(code);
  return *normalizer;
}

std::string normalize(const std::string& text, NormalForm form) {
  UErrorCode code = U_ZERO_ERROR;
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  normalizer_of(form).normalizeUTF8(0, icu::StringPiece(text), sink, nullptr, code);
  check(code);
  return out;
}

}  // namespace

std::string normalize(std::string_view text, const std::vector<NormalForm>& forms) {
  std::string out(text);
  const bool ascii =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; });
  if (ascii) return out;  // ASCII is in every normal form
  for (NormalForm form : forms) out = normalize(out, form);
  return out;
}

}  // namespace gesso::bpe
