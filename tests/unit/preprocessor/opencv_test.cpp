// OpenCV's preprocessors through their plugin.
#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "gesso/cpp/module.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/preprocessor.h"
#include "plugin_host.hpp"

using namespace golden;
using gesso::Error;
using gesso::Tensor;

namespace {

using Colour = std::function<float(int64_t channel, int64_t y, int64_t x)>;

Tensor picture(int64_t height, int64_t width, const Colour& colour) {
  const int64_t shape[] = {3, height, width};
  Tensor made = Tensor::empty(gesso::kF32, shape);
  const auto values = gesso::elements<float>(made.dl());
  size_t at = 0;
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) values[at++] = colour(c, y, x);
    }
  }
  return made;
}

Tensor process(const std::string& name, const Tensor& pixels, const gesso::ValueList& values = {}) {
  PluginComponent component("opencv", "org.gesso.opencv." + name);
  component.prepare();
  TestCall call;
  auto outputs =
      gesso::ModuleRef(component.get())
          .run(&call.raw, GESSO_OP_PROCESS, {{GESSO_PORT_PIXELS, 0, pixels.get()}}, values);
  REQUIRE(outputs.size() == 1);
  return std::move(outputs[0].tensor);
}

std::vector<float> numbers(const Tensor& tensor) {
  const auto values = gesso::elements<const float>(tensor.dl());
  return {values.begin(), values.end()};
}

float square(int64_t, int64_t y, int64_t x) {
  return y >= 8 && y < 24 && x >= 8 && x < 24 ? 1.0f : -1.0f;
}

}  // namespace

TEST_CASE("canny draws white edges on black") {
  const Tensor edges = process("canny", picture(32, 32, square));
  const auto values = numbers(edges);
  CHECK(std::set<float>(values.begin(), values.end()) == std::set<float>{-1.0f, 1.0f});
  CHECK(values[16 * 32 + 16] == -1.0f);  // inside of the square
  CHECK(values[0] == -1.0f);
}

TEST_CASE("canny's thresholds decide, and must be in order") {
  const auto faint = [](int64_t, int64_t, int64_t x) { return x < 8 ? 0.0f : 0.2f; };
  const auto has_edge = [&](int64_t low, int64_t high) {
    gesso::ValueList values;
    values.set_integer("canny_low_threshold", low).set_integer("canny_high_threshold", high);
    const auto map = numbers(process("canny", picture(16, 16, faint), values));
    return std::ranges::find(map, 1.0f) != map.end();
  };
  CHECK(has_edge(10, 20));
  CHECK_FALSE(has_edge(900, 1000));
  CHECK_THROWS_WITH_AS(has_edge(30, 20), doctest::Contains("expected at most"), Error);
}

TEST_CASE("gray has the luma in three equal channels") {
  const auto red = [](int64_t c, int64_t, int64_t) { return c == 0 ? 1.0f : -1.0f; };
  const auto values = numbers(process("gray", picture(2, 3, red)));
  for (const float value : values) CHECK(value == doctest::Approx(76 * 2 / 255.0 - 1));
}

TEST_CASE("blur keeps an even picture and wants an odd size") {
  const auto even = [](int64_t c, int64_t, int64_t) { return c == 2 ? 1.0f : -1.0f; };
  const Tensor before = picture(9, 7, even);
  CHECK(numbers(process("blur", before)) == numbers(before));
  gesso::ValueList values;
  values.set_integer("blur_kernel_size", 4);
  CHECK_THROWS_WITH_AS(process("blur", before, values), doctest::Contains("odd"), Error);
}

TEST_CASE("tile takes details away, none at 1") {
  const auto noise = [](int64_t c, int64_t y, int64_t x) { return (c + y + x) % 2 ? 1.0f : -1.0f; };
  const Tensor before = picture(32, 32, noise);
  gesso::ValueList same;
  same.set_real("tile_downscale", 1.0);
  CHECK(numbers(process("tile", before, same)) == numbers(before));
  for (const float value : numbers(process("tile", before))) CHECK(std::abs(value) < 0.1f);
}

TEST_CASE("any size works, another shape is refused") {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1}, {1, 7}, {13, 5}}) {
    for (const char* name : {"canny", "gray", "blur", "tile"}) {
      const Tensor map = process(name, picture(height, width, square));
      CHECK(gesso::shape_text(gesso::shape_of(map.dl())) ==
            gesso::shape_text(std::vector<int64_t>{3, height, width}));
    }
  }
  const int64_t shape[] = {1, 4, 4};
  CHECK_THROWS_WITH_AS(process("gray", Tensor::empty(gesso::kF32, shape)),
                       doctest::Contains("expected [3, H, W], found [1, 4, 4]"), Error);
}
