#include "engine/weights/stored_weight.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/weights/rotation.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

/// Numbers that look like weights, the same each time.
TensorView some_weight(Shape shape) {
  const auto values =
      std::make_shared<std::vector<float>>(static_cast<size_t>(element_count(shape).value()));
  uint32_t state = 12345;
  for (float& value : *values) {
    state = state * 1664525u + 1013904223u;
    const float a = static_cast<float>(state >> 8) * 0x1p-24f;
    state = state * 1664525u + 1013904223u;
    value = (a + static_cast<float>(state >> 8) * 0x1p-24f - 1.0f) * 0.05f;
  }
  return {DType::F32, std::move(shape), std::as_bytes(std::span(*values)), values};
}

std::vector<float> floats(const TensorView& view) {
  REQUIRE(view.dtype == DType::F32);
  std::vector<float> values(static_cast<size_t>(view.elements()));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

double relative_error(const TensorView& a, const TensorView& b) {
  const auto x = floats(a), y = floats(b);
  REQUIRE(x.size() == y.size());
  double error = 0, sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    error += std::pow(static_cast<double>(x[i] - y[i]), 2);
    sum += std::pow(static_cast<double>(y[i]), 2);
  }
  return std::sqrt(error / sum);
}

bool same_bytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

/// Each format with the error that its bits allow for values like these, and no more.
struct Expected {
  StorageFormat format;
  double error;
};
constexpr Expected kExpected[] = {
    {StorageFormat::F32, 0},         {StorageFormat::BF16, 0.003},
    {StorageFormat::F16, 0.0004},    {StorageFormat::Fp8E4M3, 0.04},
    {StorageFormat::Fp8E5M2, 0.07},  {StorageFormat::Fp8Scaled, 0.03},
    {StorageFormat::Int8Row, 0.008}, {StorageFormat::Nf4, 0.11},
    {StorageFormat::Fp4, 0.15},      {StorageFormat::Q4_0, 0.11},
    {StorageFormat::Q4_1, 0.08},     {StorageFormat::Q5_0, 0.06},
    {StorageFormat::Q5_1, 0.04},     {StorageFormat::Q8_0, 0.007},
    {StorageFormat::Q4_K, 0.08},     {StorageFormat::Q6_K, 0.025},
};

}  // namespace

TEST_CASE("every format gives back the weight within the error of its bits") {
  const TensorView weight = some_weight({24, 512});
  for (const auto& [format, limit] : kExpected) {
    CAPTURE(name_of(format));
    const StoredWeight stored = encode(weight, format);
    CHECK(stored.shape == weight.shape);
    CHECK(stored.format() == name_of(format));
    CHECK(static_cast<int64_t>(stored.size_bytes()) == stored_bytes(format, weight.shape));
    const double error = relative_error(decode(stored, DType::F32), weight);
    CHECK(error <= limit);
    if (limit > 0) CHECK(error > limit / 4);
  }
}

TEST_CASE("formats are found by their own names and by those of other projects") {
  for (const auto& [format, limit] : kExpected) CHECK(storage_format(name_of(format)) == format);
  CHECK(storage_format("bitsandbytes_nf4") == StorageFormat::Nf4);
  CHECK(storage_format("torchao_int8_w8a16") == StorageFormat::Int8Row);
  CHECK(storage_format("float8_e4m3fn") == StorageFormat::Fp8E4M3);
  const auto unknown = error_of([] { storage_format("nf5"); });
  CHECK(unknown.first == Status::InvalidArgument);
  CHECK(contains(unknown.second, "did you mean \"nf4\"?"));
  const auto foreign = error_of([] { storage_format("torchao_nvfp4_w4a16"); });
  CHECK(foreign.first == Status::NotSupported);
  CHECK(contains(foreign.second, "Blackwell"));
}

TEST_CASE("threads, slices and odd sizes give the same numbers as the whole by one thread") {
  const TensorView weight = some_weight({6, 1 << 19});
  for (const auto& [format, limit] : kExpected) {
    CAPTURE(name_of(format));
    const StoredWeight one = encode(weight, format, 1), many = encode(weight, format, 3);
    const TensorView whole = decode(one, DType::BF16, 1);
    CHECK(same_bytes(decode(many, DType::BF16, 3), whole));
    uint64_t size = 0;
    for (int64_t part = 0; part < 3; ++part) {
      const StoredWeight slice = slice_rows(one, part, 3);
      CHECK(same_bytes(decode(slice, DType::BF16), slice_rows(whole, part, 3)));
      size += slice.size_bytes();
    }
    CHECK(size >= one.size_bytes());
    CHECK(size <= one.size_bytes() + 3 * 4 * (16 + 256));  // each has the tables
  }
  const TensorView odd = some_weight({3, 21});
  CHECK(relative_error(decode(encode(odd, StorageFormat::Nf4), DType::F32), odd) < 0.11);
  CHECK(relative_error(decode(encode(odd, StorageFormat::Int8Row), DType::F32), odd) < 0.01);
}

TEST_CASE("rows that are no whole number of blocks are refused; zeros stay zeros") {
  const auto [status, text] = error_of([] { encode(some_weight({2, 300}), StorageFormat::Q4_K); });
  CHECK(status == Status::InvalidArgument);
  CHECK(contains(text, "[2, 300]"));
  CHECK(contains(text, "multiple of 256"));
  const std::vector<float> zeros(512);
  const TensorView weight{DType::F32, {2, 256}, std::as_bytes(std::span(zeros)), nullptr};
  for (const auto& [format, limit] : kExpected) {
    CAPTURE(name_of(format));
    CHECK(floats(decode(encode(weight, format), DType::F32)) == zeros);
  }
}

TEST_CASE("a rotation is undone by itself and keeps lengths") {
  for (const int64_t group : {4, 16, 64, 256, 1024, 4096}) {
    CAPTURE(group);
    CHECK(is_rotation(group));
    auto values = floats(some_weight({8192}));
    const auto before = values;
    rotate(values.data(), 8192, group);
    CHECK(std::abs(values[0] - before[0]) > 0);
    double length = 0, expected = 0;
    for (int64_t i = 0; i < group; ++i) {
      length += std::pow(static_cast<double>(values[static_cast<size_t>(i)]), 2);
      expected += std::pow(static_cast<double>(before[static_cast<size_t>(i)]), 2);
    }
    CHECK(length == doctest::Approx(expected));
    rotate(values.data(), 8192, group);
    for (size_t i = 0; i < 8192; ++i) REQUIRE(std::abs(values[i] - before[i]) < 1e-7f);
  }
  CHECK(!is_rotation(8));
  CHECK(!is_rotation(0));
  float row[4] = {1, 0, 0, 0};
  rotate(row, 4, 4);
  CHECK(row[3] == -0.5f);
}
