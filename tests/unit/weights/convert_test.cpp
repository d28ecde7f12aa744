#include "engine/weights/convert.hpp"

#include <cmath>
#include <limits>

#include "engine/weights/float_codec.hpp"
#include "engine/weights/weight_set.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

template <class T>
TensorView view_of(const std::vector<T>& values, DType dtype) {
  return {dtype, {static_cast<int64_t>(values.size())}, std::as_bytes(std::span(values)), nullptr};
}

template <class T>
std::vector<T> values_of(const TensorView& view) {
  std::vector<T> values(view.bytes.size() / sizeof(T));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

/// Equal bits, or both NaN.
void check_same(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(found[i]) && std::isnan(expected[i])) continue;
    CAPTURE(i);
    REQUIRE(std::bit_cast<uint32_t>(found[i]) == std::bit_cast<uint32_t>(expected[i]));
  }
}

}  // namespace

TEST_CASE("sizes of types are those of the formats, and overflow has no size") {
  CHECK(byte_size(DType::BF16, Shape{3, 5}) == 30);
  CHECK(byte_size(DType::F32, Shape{}) == 4);
  CHECK(byte_size(DType::Q8_0, Shape{2, 64}) == 2 * 2 * 34);
  CHECK(!byte_size(DType::Q8_0, Shape{64, 2}));
  CHECK(!byte_size(DType::F32, Shape{int64_t{1} << 62}));
  CHECK(!element_count(Shape{int64_t{1} << 32, int64_t{1} << 32}));
  CHECK(!element_count(Shape{0, -1}));
  CHECK(element_count(Shape{int64_t{1} << 40, int64_t{1} << 40, 0}) == 0);
  for (const char* name : {"F32", "BF16", "F8_E4M3", "BOOL", "Q4_K"}) {
    CHECK(name_of(*dtype_from_name(name)) == name);
  }
  CHECK(!dtype_from_name("F31"));
}

TEST_CASE("equal types are not copied") {
  const std::vector<float> values(8, 1.0f);
  const auto view = view_of(values, DType::F32);
  CHECK(materialize(view, DType::F32).bytes.data() == view.bytes.data());
  const auto copy = materialize(view, DType::BF16);
  CHECK(reinterpret_cast<uintptr_t>(copy.bytes.data()) % kTensorAlignment == 0);
}

TEST_CASE("every float16 and bfloat16 survives the way through float32") {
  std::vector<uint16_t> codes(65536);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
  for (const DType dtype : {DType::F16, DType::BF16}) {
    const auto wide = materialize(view_of(codes, dtype), DType::F32);
    const auto back = values_of<uint16_t>(materialize(wide, dtype));
    const auto floats = values_of<float>(wide);
    for (size_t i = 0; i < codes.size(); ++i) {
      if (!std::isnan(floats[i])) REQUIRE(back[i] == codes[i]);
    }
  }
}

TEST_CASE("rounding is to the nearest, ties to even") {
  struct Case {
    float value;
    uint16_t bf16, f16;
  };
  const float inf = std::numeric_limits<float>::infinity();
  const Case cases[] = {
      {1.0f, 0x3F80, 0x3C00},
      {1.0f + 0x1p-8f, 0x3F80, 0x3C04},              // bf16: tie, down to even
      {1.0f + 3 * 0x1p-8f, 0x3F82, 0x3C0C},          // bf16: tie, up to even
      {1.0f + 0x1p-11f, 0x3F80, 0x3C00},             // f16: tie, down to even
      {1.0f + 3 * 0x1p-11f, 0x3F80, 0x3C02},         // f16: tie, up to even
      {1.0f + 0x1p-11f + 0x1p-20f, 0x3F80, 0x3C01},  // f16: just above the tie
      {65519.0f, 0x4780, 0x7BFF},
      {65520.0f, 0x4780, 0x7C00},
      {-inf, 0xFF80, 0xFC00},
      {0x1p-25f, 0x3300, 0x0000},  // f16: tie between 0 and the smallest
      {0x1.8p-24f, 0x33C0, 0x0002},
      {std::numeric_limits<float>::max(), 0x7F80, 0x7C00},
      {-0.0f, 0x8000, 0x8000},
  };
  for (const Case& c : cases) {
    CAPTURE(c.value);
    CHECK(to_bf16(c.value) == c.bf16);
    CHECK(to_f16(c.value) == c.f16);
  }
  CHECK(to_bf16(std::nanf("")) == 0x7FC0);
  CHECK(std::isnan(from_f16(to_f16(std::nanf("")))));
}

TEST_CASE("fp8 codes decode and encode as in the reference table") {
  const auto in = WeightSet::open(kGolden / "storage/fp8_table/inputs.safetensors");
  const auto out = WeightSet::open(kGolden / "storage/fp8_table/outputs.safetensors");
  std::vector<uint8_t> codes(256);
  for (size_t i = 0; i < 256; ++i) codes[i] = static_cast<uint8_t>(i);
  const auto values = in.view(*in.find("values"));
  for (const auto& [dtype, name] : {std::pair(DType::F8_E4M3, "table.float8_e4m3fn."),
                                    std::pair(DType::F8_E5M2, "table.float8_e5m2.")}) {
    CAPTURE(name);
    const auto stored = [&](const char* what) {
      return out.view(*out.find(std::string(name) + what));
    };
    check_same(values_of<float>(materialize(view_of(codes, dtype), DType::F32)),
               values_of<float>(stored("decoded")));
    CHECK(values_of<uint8_t>(materialize(values, dtype)) ==
          values_of<uint8_t>(stored("encoded_from_float32")));
    // The reference's way to bf16 sets the sign of a NaN, which means nothing: compare as floats.
    const auto codes_of_bf16 = materialize(materialize(values, DType::BF16), dtype);
    auto expected = stored("encoded_from_bfloat16");
    expected.dtype = dtype;
    check_same(values_of<float>(materialize(codes_of_bf16, DType::F32)),
               values_of<float>(materialize(expected, DType::F32)));
  }
}

TEST_CASE("GGUF blocks decode bit for bit as in the reference") {
  const auto in = WeightSet::open(kGolden / "storage/gguf_dequantize/inputs.safetensors");
  const auto out = WeightSet::open(kGolden / "storage/gguf_dequantize/outputs.safetensors");
  for (const TensorInfo& tensor : in.tensors()) {
    CAPTURE(tensor.name);
    std::string name = tensor.name;
    for (char& c : name) c = static_cast<char>(std::toupper(c));
    const auto expected = out.view(*out.find(tensor.name));
    auto blocks = in.view(tensor);
    blocks.dtype = *dtype_from_name(name);
    blocks.shape = expected.shape;
    REQUIRE(byte_size(blocks.dtype, blocks.shape) == static_cast<int64_t>(blocks.bytes.size()));
    check_same(values_of<float>(materialize(blocks, DType::F32)), values_of<float>(expected));
  }
}

TEST_CASE("numbers, truth values and powers of two convert") {
  const auto one = [](auto value, DType dtype) {
    const std::vector<decltype(value)> values = {value};
    return values_of<float>(materialize(view_of(values, dtype), DType::F32))[0];
  };
  CHECK(one(2.5, DType::F64) == 2.5f);
  CHECK(one(int64_t{-3}, DType::I64) == -3.0f);
  CHECK(one(int8_t{-3}, DType::I8) == -3.0f);
  CHECK(one(uint8_t{200}, DType::U8) == 200.0f);
  CHECK(one(uint8_t{9}, DType::Bool) == 1.0f);
  CHECK(one(uint8_t{128}, DType::F8_E8M0) == 2.0f);
  CHECK(std::isnan(one(uint8_t{255}, DType::F8_E8M0)));
}

TEST_CASE("many threads give the same bytes as one") {
  std::vector<float> values((4 << 20) + 77);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  const auto one = values_of<uint16_t>(materialize(view_of(values, DType::F32), DType::BF16, 1));
  const auto many = values_of<uint16_t>(materialize(view_of(values, DType::F32), DType::BF16, 4));
  CHECK(one == many);
  CHECK(one.back() == to_bf16(values.back()));
}

TEST_CASE("what cannot be converted is refused") {
  const std::vector<float> values(2);
  const auto view = view_of(values, DType::F32);
  CHECK(error_of([&] { materialize(view, DType::Q8_0); }).first == Status::NotSupported);
  CHECK(error_of([&] {
          materialize({DType::C64, {1}, view.bytes, nullptr}, DType::F32);
        }).first == Status::NotSupported);
  std::vector<std::byte> small(3);
  CHECK(error_of([&] { convert_into(view, DType::BF16, small); }).first == Status::InvalidArgument);
  CHECK(materialize({DType::F32, {0, 3}, {}, nullptr}, DType::BF16).bytes.empty());
}

TEST_CASE("rows are sliced without a copy, rows of blocks too") {
  const std::vector<uint8_t> blocks(6 * 34);
  const TensorView fused{DType::Q8_0, {6, 32}, std::as_bytes(std::span(blocks)), nullptr};
  const auto part = slice_rows(fused, 1, 3);
  CHECK(part.shape == Shape{2, 32});
  CHECK(part.bytes.data() == fused.bytes.data() + 2 * 34);
  CHECK(part.bytes.size() == 2 * 34);
  CHECK(error_of([&] { slice_rows(fused, 0, 4); }).first == Status::InvalidArgument);
  CHECK(error_of([&] {
          slice_rows({DType::F32, {}, {}, nullptr}, 0, 1);
        }).first == Status::InvalidArgument);
}
