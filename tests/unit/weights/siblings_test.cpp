#include "engine/weights/siblings.hpp"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <map>

#include "engine/weights/mapped_weights.hpp"
#include "engine/weights/rotation.hpp"
#include "engine/weights/safetensors_writer.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

/// Tensors for a file, by name; their memory lives here.
struct File {
  std::map<std::string, TensorView> tensors;

  template <class T>
  void add(const std::string& name, DType dtype, Shape shape, const std::vector<T>& values) {
    const auto kept = std::make_shared<std::vector<T>>(values);
    tensors[name] = {dtype, std::move(shape), std::as_bytes(std::span(*kept)), kept};
  }
  void add_text(const std::string& name, const std::string& text) {
    add(name, DType::U8, {static_cast<int64_t>(text.size())},
        std::vector<uint8_t>(text.begin(), text.end()));
  }
  /// The tensors of a weight in 4 bits, as bitsandbytes names them.
  void add_nf4(const std::string& name, const StoredWeight& weight) {
    const auto& parts = weight.parts;
    tensors[name] = parts[0];
    tensors[name].shape = {parts[0].elements(), 1};
    tensors[name + ".quant_map"] = parts[1];
    tensors[name + ".absmax"] = parts[2];
    tensors[name + ".nested_absmax"] = parts[3];
    tensors[name + ".nested_quant_map"] = parts[4];
    add_text(name + ".quant_state.bitsandbytes__nf4",
             fmt::format(R"({{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape":)"
                         R"( [{}, {}], "nested_blocksize": 256, "nested_dtype": "float32",)"
                         R"( "nested_offset": {}}})",
                         weight.shape[0], weight.shape[1], weight.nested_offset));
  }
  WeightSet open(const TemporaryFolder& folder) const {
    std::vector<NamedTensor> list;
    for (const auto& [name, view] : tensors) list.push_back({name, view});
    write_safetensors(folder.path / "file.safetensors", list);
    return WeightSet::open(folder.path / "file.safetensors");
  }
};

std::vector<float> ramp(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) * 0.01f;
  }
  return values;
}

TensorView view_of(const std::vector<float>& values, Shape shape) {
  return {DType::F32, std::move(shape), std::as_bytes(std::span(values)), nullptr};
}

bool same_numbers(const StoredWeight& a, const StoredWeight& b) {
  const TensorView x = decode(a, DType::F32), y = decode(b, DType::F32);
  return x.shape == y.shape &&
         std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end());
}

}  // namespace

TEST_CASE("the tensors of bitsandbytes are one weight of the shape it had") {
  const auto values = ramp(16 * 96);
  const StoredWeight weight = encode(view_of(values, {16, 96}), StorageFormat::Nf4);
  File file;
  file.add_nf4("a.weight", weight);
  file.add<float>("a.bias", DType::F32, {2}, {1, 2});
  const TemporaryFolder folder;
  const WeightSet set = file.open(folder);
  CHECK(set.tensors().size() == 7);
  REQUIRE(set.weights().size() == 2);
  const NamedWeight& found = set.weights()[1];
  CHECK(found.problem == "");
  CHECK(found.name == "a.weight");
  CHECK(found.shape == Shape{16, 96});
  CHECK(found.weight.format() == "nf4");
  CHECK(same_numbers(found.weight, weight));
}

TEST_CASE("scales beside fp8 and int8 numbers are applied; a rotation is undone") {
  auto values = ramp(4 * 64);
  const StoredWeight fp8 = encode(view_of(values, {4, 64}), StorageFormat::Fp8Scaled);
  auto rotated = values;
  rotate(rotated.data(), 256, 16);
  const StoredWeight int8 = encode(view_of(rotated, {4, 64}), StorageFormat::Int8Row);
  File file;
  file.tensors["old.weight"] = fp8.parts[0];
  file.tensors["old.scale_weight"] = fp8.parts[1];
  file.add<float>("old.scale_input", DType::F32, {}, {1});
  file.add<uint8_t>("scaled_fp8", DType::F8_E4M3, {2}, {0, 0});
  file.tensors["new.weight"] = int8.parts[0];
  file.tensors["new.weight_scale"] = int8.parts[1];
  file.tensors["new.weight_scale"].shape = {4, 1};
  file.add_text("new.comfy_quant",
                R"({"format": "int8_tensorwise", "convrot": true, "convrot_groupsize": 16})");
  const TemporaryFolder folder;
  const WeightSet set = file.open(folder);
  REQUIRE(set.weights().size() == 2);
  CHECK(same_numbers(set.weights()[1].weight, fp8));
  CHECK(set.weights()[0].weight.format() == "int8_row");
  const TensorView back = decode(set.weights()[0].weight, DType::F32);
  const auto* numbers = reinterpret_cast<const float*>(back.bytes.data());
  for (size_t i = 0; i < values.size(); ++i) {
    REQUIRE(std::abs(numbers[i] - values[i]) < 0.02f);
  }
}

TEST_CASE("fused tensors of a quantised file are parted, in every format") {
  const auto set = WeightSet::open(kModels / "dit_small/comfy.safetensors");
  const auto plain = MappedWeights::open(set, z_image_pattern());
  for (const StorageFormat format :
       {StorageFormat::Nf4, StorageFormat::Int8Row, StorageFormat::Fp8Scaled}) {
    CAPTURE(name_of(format));
    File file;
    for (const TensorInfo& tensor : set.tensors()) {
      if (!tensor.name.ends_with("qkv.weight")) {
        file.tensors[tensor.name] = set.view(tensor);
        continue;
      }
      const StoredWeight weight = encode(set.view(tensor), format);
      if (format == StorageFormat::Nf4) {
        file.add_nf4(tensor.name, weight);
      } else {
        file.tensors[tensor.name] = weight.parts[0];
        file.tensors[tensor.name + "_scale"] = weight.parts[1];
      }
    }
    const TemporaryFolder folder;
    const auto mapped = MappedWeights::open(file.open(folder), z_image_pattern());
    CHECK(mapped.match().layout == "comfy");
    CHECK(mapped.names() == plain.names());
    const std::string name = "layers.0.attention.to_v.weight";
    CHECK(mapped.find(name)->format() == name_of(format));
    const TensorView a = decode(*mapped.find(name), DType::F32);
    const TensorView b = decode(*plain.find(name), DType::F32);
    const auto* x = reinterpret_cast<const float*>(a.bytes.data());
    const auto* y = reinterpret_cast<const float*>(b.bytes.data());
    float largest = 0, error = 0;
    for (int64_t i = 0; i < a.elements(); ++i) {
      largest = std::max(largest, std::abs(y[i]));
      error = std::max(error, std::abs(x[i] - y[i]));
    }
    CHECK(error < largest * 0.16f);
    CHECK(error > 0);
  }
}

TEST_CASE("statistics that are missing, of another size or unknown are told with the tensor") {
  const auto values = ramp(16 * 96);
  const StoredWeight weight = encode(view_of(values, {16, 96}), StorageFormat::Nf4);
  const auto problem_of = [&](const std::function<void(File&)>& damage) {
    File file;
    file.add_nf4("a.weight", weight);
    damage(file);
    const TemporaryFolder folder;
    const auto set = file.open(folder);
    const auto [status, text] = error_of([&] { MappedWeights::as_stored(set); });
    CHECK(status == Status::BadData);
    CHECK(contains(text, "file.safetensors: tensor \"a.weight\""));
    return text;
  };
  CHECK(contains(problem_of([](File& f) { f.tensors.erase("a.weight.absmax"); }),
                 "\"a.weight.absmax\" is missing"));
  CHECK(contains(problem_of([](File& f) {
                   f.add<float>("a.weight.nested_absmax", DType::F32, {2}, {1, 2});
                 }),
                 "[2], expected 1 elements of F32"));
  CHECK(contains(problem_of([](File& f) {
                   f.add_text("a.weight.quant_state.bitsandbytes__nf4", "{\"shape\": [16, 97]}");
                 }),
                 "do not make the shape [16, 97]"));
  CHECK(contains(
      problem_of([](File& f) { f.add_text("a.weight.quant_state.bitsandbytes__nf4", "nonsense"); }),
      "no JSON object"));
  CHECK(contains(problem_of([](File& f) {
                   f.tensors.clear();
                   f.add<uint8_t>("a.weight", DType::U8, {2, 2}, {1, 2, 3, 4});
                   f.add_text("a.comfy_quant", "{\"format\": \"nvfp4\"}");
                 }),
                 "says format \"nvfp4\""));
  CHECK(contains(problem_of([](File& f) {
                   f.tensors.clear();
                   f.add<uint8_t>("a.weight", DType::F8_E4M3, {2, 2}, {1, 2, 3, 4});
                   f.add<float>("a.weight_scale", DType::F32, {3}, {1, 2, 3});
                 }),
                 "one number or 2"));
}
