#include "engine/weights/synthesize.hpp"

#include <cmath>

#include "engine/weights/convert.hpp"
#include "engine/weights/mapped_weights.hpp"
#include "engine/weights/safetensors_writer.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

const Dimensions kSmall{
    {{"D", 256}, {"P", 64}, {"t_mid", 64}, {"adaln", 64}, {"cap", 48}, {"head", 32}, {"FFN", 680}},
    {{"n_layers", 2}, {"n_refiner_layers", 1}}};

std::string bytes_of(const std::filesystem::path& path) {
  const auto mapping = base::MappedFile::open(path);
  return {reinterpret_cast<const char*>(mapping->bytes().data()), mapping->bytes().size()};
}

std::pair<double, double> mean_and_deviation(const TensorView& view) {
  const auto wide = materialize(view, DType::F32);
  const auto* x = reinterpret_cast<const float*>(wide.bytes.data());
  const auto count = static_cast<double>(wide.elements());
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < wide.elements(); ++i) sum += x[i], squares += double{x[i]} * x[i];
  return {sum / count, std::sqrt(squares / count - sum / count * sum / count)};
}

}  // namespace

TEST_CASE("a synthetic checkpoint is recognised, with the statistics of a fresh model") {
  const TemporaryFolder folder;
  const auto path = folder.path / "model.safetensors";
  CHECK(synthesize(z_image_pattern(), kSmall, path));
  const auto weights = MappedWeights::open(WeightSet::open(path), z_image_pattern());
  CHECK(weights.dimensions().sizes == kSmall.sizes);
  CHECK(weights.dimensions().counts == kSmall.counts);

  const auto matrix = mean_and_deviation(weights.find("layers.0.attention.to_q.weight")->data());
  CHECK(matrix.first == doctest::Approx(0).epsilon(0.001));
  CHECK(matrix.second == doctest::Approx(0.02).epsilon(0.02));
  const auto norm = mean_and_deviation(weights.find("layers.0.attention_norm1.weight")->data());
  CHECK(norm.first == doctest::Approx(1).epsilon(0.01));
  const auto bias = mean_and_deviation(weights.find("layers.0.adaLN_modulation.0.bias")->data());
  CHECK(std::abs(bias.first) < 0.01);
  const auto q = weights.find("layers.0.attention.to_q.weight");
  const auto k = weights.find("layers.0.attention.to_k.weight");
  CHECK(!std::ranges::equal(q->data().bytes, k->data().bytes));
}

TEST_CASE("the same arguments give the same file, which is then kept") {
  const TemporaryFolder folder;
  const auto a = folder.path / "a.safetensors", b = folder.path / "b.safetensors";
  CHECK(synthesize(z_image_pattern(), kSmall, a));
  CHECK(synthesize(z_image_pattern(), kSmall, b));
  CHECK(bytes_of(a) == bytes_of(b));
  CHECK(!synthesize(z_image_pattern(), kSmall, a));
  CHECK(synthesize(z_image_pattern(), kSmall, a, DType::BF16, 1));
  CHECK(bytes_of(a) != bytes_of(b));
  CHECK(synthesize(z_image_pattern(), kSmall, a, DType::F32));
  CHECK(WeightSet::open(a).tensors()[0].dtype == DType::F32);
}

TEST_CASE("a file that was not synthesised is never replaced") {
  const TemporaryFolder folder;
  const auto path = folder.path / "precious.safetensors";
  write_safetensors(path, {});
  CHECK(error_of([&] { synthesize(z_image_pattern(), kSmall, path); }).first ==
        Status::InvalidArgument);
  CHECK(WeightSet::open(path).tensors().empty());
  CHECK(error_of([&] { synthesize(z_image_pattern(), kSmall, path, DType::Q8_0); }).first ==
        Status::InvalidArgument);
  CHECK(error_of([&] { synthesize(z_image_pattern(), {}, folder.path / "x"); }).first ==
        Status::InvalidArgument);
}
