#include "engine/weights/weight_set.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

std::pair<Status, std::string> open_bytes(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto path = write_text(folder.path / "model.gguf", bytes);
  return error_of([&] { open_weight_file(path); });
}

std::string value(const std::string& key, uint32_t type, const std::string& bytes) {
  return gguf_string(key) + raw(type) + bytes;
}

}  // namespace

TEST_CASE("a GGUF file gives its tensors with row-major shapes and its metadata as text") {
  const TemporaryFolder folder;
  const std::string array =
      raw<uint32_t>(8) + raw<uint64_t>(2) + gguf_string("x") + gguf_string("y");
  const std::string head = gguf_head(2, 5, 2) + value("name", 8, gguf_string("tiny")) +
                           value("count", 4, raw<uint32_t>(7)) + value("flag", 7, raw<uint8_t>(1)) +
                           value("words", 9, array) +
                           value("general.alignment", 4, raw<uint32_t>(64)) +
                           gguf_tensor("w", {64, 3}, 8, 0) + gguf_tensor("b", {5}, 0, 256);
  auto bytes = head;
  bytes.resize((bytes.size() + 63) / 64 * 64);
  const auto path = write_text(folder.path / "model.gguf", bytes + std::string(276, '\2'));

  const auto set = WeightSet::open(path);
  CHECK(set.find("w")->shape == Shape{3, 64});
  CHECK(set.find("w")->dtype == DType::Q8_0);
  CHECK(set.view(*set.find("w")).bytes.size() == 3 * 2 * 34);
  CHECK(set.view(*set.find("b")).bytes[0] == std::byte{2});
  CHECK(set.metadata().at("name") == "tiny");
  CHECK(set.metadata().at("count") == "7");
  CHECK(set.metadata().at("flag") == "true");
  CHECK(set.metadata().at("words") == "(2 values)");
}

TEST_CASE("a malformed GGUF file is refused with the claim that is wrong") {
  const std::string one = gguf_head(1, 0);
  const std::string nested = raw<uint32_t>(9) + raw<uint64_t>(1);
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += nested;
  struct Case {
    const char* what;
    std::string bytes;
    const char* text;
  };
  const Case cases[] = {
      {"only magic", "GGUF", "the version"},
      {"cut head", "GGUF" + raw<uint32_t>(3) + raw<uint64_t>(1), "number of metadata"},
      {"absurd tensor count", gguf_head(UINT64_MAX, 0), "more than the file has room"},
      {"absurd value count", gguf_head(0, UINT64_MAX), "a metadata key"},
      {"key beyond the file", gguf_head(0, 1) + raw<uint64_t>(1000) + "key", "only 3 are left"},
      {"key length overflows", gguf_head(0, 1) + raw<uint64_t>(UINT64_MAX) + "key",
       "only 3 are left"},
      {"text beyond the file", gguf_head(0, 1) + value("k", 8, raw<uint64_t>(9) + "x"),
       "only 1 are"},
      {"no such value type", gguf_head(0, 1) + value("k", 99, raw<uint64_t>(9)), "type 99"},
      {"no such array type", gguf_head(0, 1) + value("k", 9, raw<uint32_t>(77) + raw<uint64_t>(1)),
       "type 77"},
      {"array beyond the file",
       gguf_head(0, 1) + value("k", 9, raw<uint32_t>(12) + raw<uint64_t>(UINT64_MAX / 4)),
       "exceeds the file"},
      {"array of text beyond the file",
       gguf_head(0, 1) + value("k", 9, raw<uint32_t>(8) + raw<uint64_t>(UINT64_MAX)),
       "array element"},
      {"nested arrays", gguf_head(0, 1) + value("k", 9, deep), "too deep"},
      {"key twice", gguf_head(0, 2) + value("k", 0, "x") + value("k", 0, "x"), "\"k\" twice"},
      {"alignment 0", gguf_head(0, 1) + value("general.alignment", 4, raw<uint32_t>(0)),
       "general.alignment"},
      {"alignment 48", gguf_head(0, 1) + value("general.alignment", 4, raw<uint32_t>(48)),
       "general.alignment"},
      {"alignment is text", gguf_head(0, 1) + value("general.alignment", 8, gguf_string("abc")),
       "not a number"},
      {"name beyond the file", one + raw<uint64_t>(1 << 20) + std::string(30, 'x'),
       "a tensor name"},
      {"rank 4 billion", one + gguf_string("w") + raw<uint32_t>(UINT32_MAX) + std::string(32, '\0'),
       "extents"},
      {"extent beyond 63 bits", one + gguf_tensor("w", {UINT64_MAX}, 0, 0), "has extent"},
      {"overflowing shape", one + gguf_tensor("w", {1ull << 40, 1ull << 40}, 0, 0), "cannot have"},
      {"row of no whole blocks", one + gguf_tensor("w", {33}, 8, 0), "cannot have"},
      {"offset not aligned", gguf_data(one + gguf_tensor("w", {1}, 0, 4), 64), "no multiple of 32"},
      {"offset beyond the file", gguf_data(one + gguf_tensor("w", {1}, 0, 1ull << 62), 64),
       "the data ends"},
      {"data cut off", gguf_data(one + gguf_tensor("w", {17}, 0, 0), 64), "the data ends at 64"},
      {"no data at all", one + gguf_tensor("w", {17}, 0, 0), "the data ends at 0"},
      {"overlap",
       gguf_data(gguf_head(2, 0) + gguf_tensor("a", {16}, 0, 0) + gguf_tensor("b", {1}, 0, 32), 64),
       "overlaps"},
      {"name twice",
       gguf_data(gguf_head(2, 0) + gguf_tensor("a", {1}, 0, 0) + gguf_tensor("a", {1}, 0, 32), 64),
       "\"a\" twice"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto [status, text] = open_bytes(c.bytes);
    CHECK(status == Status::BadData);
    CHECK(contains(text, c.text));
  }
}

TEST_CASE("versions and element types beyond ours are told as such") {
  CHECK(open_bytes(gguf_head(0, 0, 1)).first == Status::NotSupported);
  const auto big_endian = open_bytes(gguf_head(0, 0, 0x03000000));
  CHECK(big_endian.first == Status::NotSupported);
  CHECK(contains(big_endian.second, "big-endian"));
  const auto type = open_bytes(gguf_data(gguf_head(1, 0) + gguf_tensor("w", {256}, 16, 0), 256));
  CHECK(type.first == Status::NotSupported);
  CHECK(contains(type.second, "ggml type 16"));
}
