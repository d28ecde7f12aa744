#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "engine/weights/safetensors_writer.hpp"
#include "engine/weights/weight_set.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

std::pair<Status, std::string> open_bytes(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto path = write_text(folder.path / "model.safetensors", bytes);
  return error_of([&] { open_weight_file(path); });
}

std::pair<Status, std::string> open_header(const std::string& header, size_t data_size = 0) {
  return open_bytes(safetensors_bytes(header, data_size));
}

}  // namespace

TEST_CASE("tensors and metadata of a safetensors file are views into it") {
  const TemporaryFolder folder;
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},)"
      R"("a":{"shape":[2,1],"data_offsets":[0,8],"dtype":"F32"},)"
      R"("empty":{"dtype":"F32","shape":[0,4],"data_offsets":[8,8]},)"
      R"("number":{"dtype":"U8","shape":[],"data_offsets":[11,12]}}   )";
  auto bytes = safetensors_bytes(header, 12);
  bytes[bytes.size() - 4] = 7;
  const auto path = write_text(folder.path / "model.safetensors", bytes);

  TensorView b;
  {
    const auto set = WeightSet::open(path);
    CHECK(set.tensors().size() == 4);
    CHECK(set.metadata().at("format") == "pt");
    CHECK(set.size_bytes() == 12);
    CHECK(set.elements() == 6);
    CHECK(set.find("a")->shape == Shape{2, 1});
    CHECK(set.view(*set.find("empty")).bytes.empty());
    CHECK(set.view(*set.find("number")).shape.empty());
    CHECK(set.find("c") == nullptr);
    b = set.view(*set.find("b"));
  }
  CHECK(b.bytes.size() == 3);  // the view outlives the set
  CHECK(b.bytes[0] == std::byte{7});
}

TEST_CASE("a malformed safetensors file is refused with the claim that is wrong") {
  struct Case {
    const char* what;
    std::string header;
    size_t data_size;
    const char* text;
  };
  const std::string deep = "{\"a\":{\"dtype\":\"F32\",\"shape\":" + std::string(100000, '[');
  std::string many;
  for (int i = 0; i < 100000; ++i) many += "{\"a\":";
  const Case cases[] = {
      {"data cut off", R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 15,
       "has only 15"},
      {"no data", R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 0, "interrupted"},
      {"data left over", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 5,
       "1 bytes follow"},
      {"overlap",
       R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6, "overlap"},
      {"gap",
       R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
       5, "gaps"},
      {"not from 0", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3, "gaps"},
      {"end before begin", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}})", 2,
       "[begin, end]"},
      {"three offsets", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1,2]}})", 2,
       "[begin, end]"},
      {"wrong size", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "4 bytes for [2]"},
      {"overflowing shape",
       R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}})", 0,
       "0 bytes for"},
      {"overflowing bytes",
       R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0,
       "0 bytes for"},
      {"offset beyond 63 bits",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,18446744073709551615]}})",
       1, "63 bits"},
      {"offset beyond the file",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}})",
       1, "has only 1"},
      {"negative extent", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1,
       "negative number -1"},
      {"fraction", R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})", 1, "not whole"},
      {"NaN", R"({"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}})", 1, "no valid JSON"},
      {"text as extent", R"({"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})", 1, "text"},
      {"null", R"({"a":null})", 0, "null"},
      {"unknown field", R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":1}})", 1,
       "unknown field"},
      {"missing field", R"({"a":{"dtype":"U8","shape":[1]}})", 0,
       "no dtype, shape or data_offsets"},
      {"field twice", R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
       "twice"},
      {"name twice",
       R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
       0, "\"a\" twice"},
      {"tensor is a number", R"({"a":5})", 0, "a number"},
      {"metadata is not text", R"({"__metadata__":{"a":5}})", 0, "a number"},
      {"nested metadata", R"({"__metadata__":{"a":{"b":"c"}}})", 0, "an object"},
      {"a list", R"([1,2])", 0, "does not begin with {"},
      {"cut JSON", R"({"a":{"dtype":"U8","shape":[1],"data_off)", 1, "no valid JSON"},
      {"bytes behind the JSON", R"({} x)", 0, "no valid JSON"},
      {"not UTF-8", "{\"a\xff\":5}", 0, "no valid JSON"},
      {"nested lists", deep, 0, "a list"},
      {"nested objects", many, 0, "unknown field"},
      {"too many extents",
       R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})",
       1, "more than 16"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto [status, text] = open_header(c.header, c.data_size);
    CHECK(status == Status::BadData);
    CHECK(contains(text, c.text));
    CHECK(contains(text, "model.safetensors: "));
  }
}

TEST_CASE("the length of the header is checked before it is believed") {
  CHECK(contains(open_bytes("").second, "empty"));
  CHECK(contains(open_bytes("{}").second, "too short"));
  CHECK(contains(open_bytes(raw<uint64_t>(1000) + "{}").second, "only 2 follow"));
  CHECK(contains(open_bytes(raw<uint64_t>(UINT64_MAX) + "{}").second, "100000000 is the limit"));
  CHECK(contains(open_bytes(raw<uint64_t>(100'000'001) + "{}").second, "100000000 is the limit"));
  CHECK(contains(open_bytes(raw<uint64_t>(0)).second, "does not begin"));
}

TEST_CASE("an element type that Gesso does not know is told by name") {
  const auto [status, text] =
      open_header(R"({"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}})", 1);
  CHECK(status == Status::NotSupported);
  CHECK(contains(text, "\"F4\""));
  const auto block =
      open_header(R"({"a":{"dtype":"Q8_0","shape":[32],"data_offsets":[0,34]}})", 34);
  CHECK(block.first == Status::NotSupported);
}

TEST_CASE("what is no weight file is refused by what it is") {
  const TemporaryFolder folder;
  const auto opened = [&](const char* name, const std::string& bytes) {
    const auto path = write_text(folder.path / name, bytes);
    return error_of([&] { open_weight_file(path); });
  };
  for (const char* name : {"model.pt", "model.ckpt", "pytorch_model.bin", "MODEL.PTH"}) {
    CAPTURE(name);
    const auto [status, text] = opened(name, "anything at all");
    CHECK(status == Status::NotSupported);
    CHECK(contains(text, "pickle"));
  }
  CHECK(opened("model.safetensors", std::string("PK\3\4 torch zip")).first == Status::NotSupported);
  CHECK(contains(opened("a.safetensors", gguf_head(0, 0)).second,
                 "expected safetensors, found gguf"));
  CHECK(contains(opened("b.gguf", safetensors_bytes("{}", 0)).second,
                 "expected gguf, found safetensors"));
  CHECK(contains(opened("c.bin", safetensors_bytes("{}", 0)).second,
                 "expected pickle, found safetensors"));
  CHECK(contains(opened("d.safetensors", "version https://git-lfs.github.com/spec/v1\n").second,
                 "Git LFS"));
  CHECK(contains(opened("e.safetensors", "<!DOCTYPE html><html>").second, "web page"));
  CHECK(opened("f.txt", "hello, this is some text").first == Status::BadData);
  CHECK(opened("no_extension", safetensors_bytes("{}", 0)).first == Status::Ok);
}

TEST_CASE("a path that cannot be opened says why") {
  const TemporaryFolder folder;
  CHECK(error_of([&] { open_weight_file(folder.path / "absent.safetensors"); }).first ==
        Status::NotFound);
  CHECK(error_of([&] { open_weight_file(folder.path); }).first == Status::InvalidArgument);
  CHECK(error_of([] { open_weight_file("/dev/null"); }).first == Status::InvalidArgument);
  const auto secret = write_text(folder.path / "secret.safetensors", safetensors_bytes("{}", 0));
  std::filesystem::permissions(secret, std::filesystem::perms::none);
  if (::geteuid() != 0) CHECK(error_of([&] { open_weight_file(secret); }).first == Status::Denied);
}

TEST_CASE("what the writer writes is what the reader reads") {
  const TemporaryFolder folder;
  const auto path = folder.path / "out.safetensors";
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const TensorView view{DType::F32, {2, 3}, std::as_bytes(std::span(values)), nullptr};
  write_safetensors(path, {{"b \"quoted\"", view}, {"a", slice_rows(view, 1, 2)}},
                    {{"key", "value"}});
  CHECK(folder.files() == 1);

  const auto set = WeightSet::open(path);
  CHECK(set.metadata().at("key") == "value");
  CHECK(set.find("b \"quoted\"")->shape == Shape{2, 3});
  const auto a = set.view(*set.find("a"));
  CHECK(std::memcmp(a.bytes.data(), &values[3], 12) == 0);
  CHECK(set.find("b \"quoted\"")->offset % 8 == 0);

  write_safetensors(path, {});
  CHECK(WeightSet::open(path).tensors().empty());
}

TEST_CASE("an unfinished or failed write leaves no file") {
  const TemporaryFolder folder;
  const std::vector<TensorSpec> plan = {{{"a", {4}}, DType::U8}};
  {
    SafetensorsWriter writer(folder.path / "out.safetensors", plan);
    writer.write(std::vector<std::byte>(3));
    CHECK(error_of([&] { writer.finish(); }).first == Status::BadState);
    CHECK(error_of([&] { writer.write(std::vector<std::byte>(2)); }).first ==
          Status::InvalidArgument);
  }
  CHECK(folder.files() == 0);
  CHECK(error_of([&] { SafetensorsWriter("/nowhere/at/all.safetensors", plan); }).first ==
        Status::NotFound);
  const auto twice = error_of([&] {
    write_safetensors(folder.path / "out.safetensors", {{"a", {}}, {"a", {}}});
  });
  CHECK(twice.first == Status::InvalidArgument);
  CHECK(folder.files() == 0);
}

TEST_CASE("a disk that takes no more is told, and nothing is left behind") {
  // A limit on the size of files fails the same call as a full disk.
  const TemporaryFolder folder;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old_limit) == 0);
  const rlimit limit{1 << 16, old_limit.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const auto [status, text] = error_of([&] {
    SafetensorsWriter writer(folder.path / "out.safetensors", {{{"a", {1 << 20}}, DType::U8}});
    for (int i = 0; i < 16; ++i) writer.write(std::vector<std::byte>(1 << 16));
  });
  ::setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  CHECK(status == Status::Denied);
  CHECK(contains(text, "out.safetensors"));
  CHECK(folder.files() == 0);
}
