// The parser of the protocol: whatever the bytes are, it answers with fields or with an error.
#include "isolation/message.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "gesso/cpp/error.hpp"

using namespace gesso;
using namespace gesso::isolation;

namespace {

std::vector<std::byte> example() {
  Builder builder(Kind::Call, 0x201);
  builder.add(int64_t{-7});
  builder.add(0.5);
  builder.add(std::as_bytes(std::span("text", 4)));
  builder.add(Null{});
  builder.add(TensorField{{kDLFloat, 32, 1}, Where::Shared, 64, 24, 0, {2, 3}});
  const auto bytes = builder.bytes();
  return {bytes.begin(), bytes.end()};
}

void put(std::vector<std::byte>& bytes, size_t place, uint64_t value, size_t size) {
  std::memcpy(bytes.data() + place, &value, size);
}

void check_bad(std::vector<std::byte> bytes, const char* text) {
  CHECK_THROWS_WITH_AS(parse(bytes, 1024), doctest::Contains(text), Error);
}

}  // namespace

TEST_CASE("a message is read as it was built") {
  const auto bytes = example();
  const Message message = parse(bytes, 1024);
  CHECK(message.kind == Kind::Call);
  CHECK(message.method == 0x201);
  REQUIRE(message.fields.size() == 5);
  CHECK(std::get<int64_t>(message.fields[0]) == -7);
  CHECK(std::get<double>(message.fields[1]) == 0.5);
  CHECK(std::memcmp(std::get<Bytes>(message.fields[2]).data(), "text", 4) == 0);
  CHECK(std::holds_alternative<Null>(message.fields[3]));
  const auto& tensor = std::get<TensorField>(message.fields[4]);
  CHECK(tensor.shape == std::vector<int64_t>{2, 3});
  CHECK(tensor.place == 64);
}

TEST_CASE("each lie about lengths is an error") {
  constexpr size_t kText = 16 + 9 + 9, kTensor = kText + 5 + 4 + 1;
  auto bytes = example();
  SUBCASE("magic") {
    bytes[0] = std::byte{0};
    check_bad(bytes, "it begins with");
  }
  SUBCASE("version") {
    bytes[4] = std::byte{9};
    check_bad(bytes, "version 9, expected 1");
  }
  SUBCASE("kind") {
    bytes[6] = std::byte{4};
    check_bad(bytes, "no kind 4");
  }
  SUBCASE("bytes of fields") {
    put(bytes, 12, bytes.size() - 16 + 1, 4);
    check_bad(bytes, "of fields, found");
  }
  SUBCASE("far too many bytes") {
    put(bytes, 12, 0xffffffff, 4);
    check_bad(bytes, "at most");
  }
  SUBCASE("length of a text") {
    put(bytes, kText + 1, 0xffffffff, 4);
    check_bad(bytes, "bytes more, found");
  }
  SUBCASE("tag") {
    bytes[kText] = std::byte{'z'};
    check_bad(bytes, "no field is called");
  }
  SUBCASE("type") {
    bytes[kTensor + 2] = std::byte{3};
    check_bad(bytes, "a type of 3 bits");
  }
  SUBCASE("rank") {
    bytes[kTensor + 6] = std::byte{200};
    check_bad(bytes, "rank 200");
  }
  SUBCASE("outside of the shared memory") {
    put(bytes, kTensor + 7, 1024 - 23, 8);
    check_bad(bytes, "the shared memory has 1024");
  }
  SUBCASE("outside, by overflow") {
    put(bytes, kTensor + 7, ~uint64_t{0} - 3, 8);
    check_bad(bytes, "the shared memory has 1024");
  }
  SUBCASE("other bytes than the shape makes") {
    put(bytes, kTensor + 15, 20, 8);
    check_bad(bytes, "its shape and type make 24");
  }
  SUBCASE("negative extent") {
    put(bytes, kTensor + 27, ~uint64_t{0}, 8);
    check_bad(bytes, "an extent of -1");
  }
  SUBCASE("product that overflows") {
    put(bytes, kTensor + 27, uint64_t{1} << 62, 8);
    check_bad(bytes, "too large");
  }
}

TEST_CASE("a message that is cut anywhere is an error") {
  const auto bytes = example();
  for (size_t size = 0; size < bytes.size(); ++size)
    CHECK_THROWS_AS(parse(std::span(bytes).first(size), 1024), Error);
}

TEST_CASE("damaged bytes give an error or a message, nothing else") {
  std::mt19937 random(1);
  const auto whole = example();
  for (int round = 0; round < 20000; ++round) {
    auto bytes = whole;
    for (int i = 0; i < 3; ++i)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random() & 0xff);
    try {
      parse(bytes, 1024);
    } catch (const Error& error) {
      CHECK(error.status() == Status::BadData);
    }
  }
}
