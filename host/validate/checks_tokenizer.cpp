// "gesso.tokenizer/1".
#include "gesso/kind/tokenizer.h"
#include "validate/context.hpp"

namespace gesso::validate {
namespace {

constexpr const char* kText = "a red apple";

/// A tokenizer with whatever it needs to be called.
struct Tokenizer {
  explicit Tokenizer(Context& c) : subject(c.ready()) {
    table = subject->find<gesso_tokenizer_t>(GESSO_TOKENIZER_ID);
    if (!table || !table->encode || !table->decode || !table->token_id || !table->vocab_size) {
      fail("its table lacks encode, decode, token_id or vocab_size");
    }
  }
  std::vector<int32_t> encode(std::string_view text) {
    std::vector<int32_t> ids(text.size() * 4 + 16);
    uint64_t count = 0;
    ErrorText error;
    status = table->encode(subject->self(), text.data(), text.size(), ids.data(), ids.size(),
                           &count, &error.error);
    message = error.error.length ? error.text() : "";
    ids.resize(std::min<size_t>(count, ids.size()));
    return ids;
  }
  std::string decode(const std::vector<int32_t>& ids) {
    std::string text(ids.size() * 64 + 64, '\0');
    uint64_t length = 0;
    ErrorText error;
    status = table->decode(subject->self(), ids.data(), ids.size(), text.data(), text.size(),
                           &length, &error.error);
    message = error.error.length ? error.text() : "";
    text.resize(std::min<size_t>(length, text.size()));
    return text;
  }
  void expect_answer(const char* what) const {
    expect(status == GESSO_STATUS_OK || !message.empty(), "{} failed with status {} and no text",
           what, status);
  }
  std::unique_ptr<Subject> subject;
  const gesso_tokenizer_t* table;
  gesso_status_t status = GESSO_STATUS_OK;
  std::string message;
};

void round_trip(Context& c) {
  Tokenizer t(c);
  const auto ids = t.encode(kText);
  expect(t.status == GESSO_STATUS_OK && !ids.empty(), "\"{}\": status {}, {} ids: {}", kText,
         t.status, ids.size(), t.message);
  const std::string back = t.decode(ids);
  expect(t.status == GESSO_STATUS_OK && back.find("red apple") != std::string::npos,
         "\"{}\" came back as \"{}\"", kText, back);
}

void counts(Context& c) {
  Tokenizer t(c);
  const size_t whole = t.encode(kText).size();
  uint64_t count = 0;
  const auto status = t.table->encode(t.subject->self(), kText, std::string_view(kText).size(),
                                      nullptr, 0, &count, nullptr);
  expect(status == GESSO_STATUS_OK && count == whole,
         "with room for none it gave status {} and count {}, not {}", status, count, whole);
}

void capacity(Context& c) {
  Tokenizer t(c);
  int32_t ids[3] = {-77, -77, -77};
  uint64_t count = 0;
  t.table->encode(t.subject->self(), kText, std::string_view(kText).size(), ids, 1, &count,
                  nullptr);
  expect(ids[1] == -77, "with room for 1 id it wrote a second");
}

void text_capacity(Context& c) {
  Tokenizer t(c);
  const auto ids = t.encode(kText);
  char text[8] = "xxxxxxx";
  uint64_t length = 0;
  t.table->decode(t.subject->self(), ids.data(), ids.size(), text, 2, &length, nullptr);
  expect(text[2] == 'x', "with room for 2 bytes it wrote a third");
}

void range(Context& c) {
  Tokenizer t(c);
  const uint64_t size = t.table->vocab_size(t.subject->self());
  for (const int32_t id : t.encode(kText))
    expect(id >= 0 && static_cast<uint64_t>(id) < size, "id {}, vocab_size {}", id, size);
}

void length(Context& c) {
  Tokenizer t(c);
  std::string longer = kText;
  longer += " and a green pear";
  const auto cut = t.encode(std::string_view(longer).substr(0, std::string_view(kText).size()));
  expect(cut == t.encode(kText), "it reads beyond the length that it is given");
}

void empty(Context& c) {
  Tokenizer t(c);
  t.encode("");
  t.expect_answer("an empty text");
}

void broken_text(Context& c) {
  Tokenizer t(c);
  t.encode("a\xff\xc3 apple\xe2\x82");
  t.expect_answer("a text that is no UTF-8");
}

void unknown_token(Context& c) {
  Tokenizer t(c);
  int32_t id = 0;
  ErrorText error;
  const auto status =
      t.table->token_id(t.subject->self(), "<|nobody has this token|>", &id, &error.error);
  expect(status == GESSO_STATUS_NOT_FOUND, "an unknown token gave status {}, not NOT_FOUND",
         status);
  expect(error.error.length > 0, "an unknown token was refused without a text");
}

void broken_ids(Context& c) {
  Tokenizer t(c);
  t.decode({-1, 0x7FFFFFFF});
  t.expect_answer("decoding ids that do not exist");
}

constexpr const char* kTokenizer = GESSO_TOKENIZER_ID;

constexpr Check kChecks[] = {
    {"tokenizer.round_trip", "", Needs::Ready, kTokenizer, "a text comes back from its ids",
     "Let decode undo encode.", round_trip},
    {"tokenizer.counts", "R2", Needs::Ready, kTokenizer,
     "tells the full number when there is no room",
     "Write count first, then at most `capacity` ids; ids may be NULL.", counts},
    {"tokenizer.capacity", "R2", Needs::Ready, kTokenizer,
     "writes no more ids than there is room for", "Compare with `capacity` before you write.",
     capacity},
    {"tokenizer.text_capacity", "R2", Needs::Ready, kTokenizer,
     "writes no more bytes than there is room for",
     "Compare with `capacity` before you write; there is no final 0.", text_capacity},
    {"tokenizer.range", "", Needs::Ready, kTokenizer, "ids are below vocab_size",
     "Count added tokens, too.", range},
    {"tokenizer.length", "R4", Needs::Ready, kTokenizer, "reads `length` bytes, not to a final 0",
     "Use the length; the text may go on behind it.", length},
    {"tokenizer.empty", "R7", Needs::Ready, kTokenizer, "an empty text is served", "Give count 0.",
     empty},
    {"tokenizer.broken_text", "R7", Needs::Ready, kTokenizer,
     "a text that is no UTF-8 is served or refused",
     "Replace what is broken, or BAD_DATA and a text.", broken_text},
    {"tokenizer.unknown_token", "R7", Needs::Ready, kTokenizer, "an unknown token is NOT_FOUND",
     "Return GESSO_STATUS_NOT_FOUND and a text.", unknown_token},
    {"tokenizer.broken_ids", "R7", Needs::Ready, kTokenizer,
     "ids that do not exist are served or refused",
     "Compare ids with the vocabulary before you look them up.", broken_ids},
};

}  // namespace

std::span<const Check> tokenizer_checks() { return kChecks; }

}  // namespace gesso::validate
