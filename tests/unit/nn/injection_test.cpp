// The points of the Z-Image denoiser: what injectors see there, and what their residuals do.
#include <functional>

#include "denoiser_host.hpp"
#include "gesso/cpp/injection.hpp"

using namespace golden;
using gesso::Error;
using gesso::Tensor;

namespace {

using At =
    std::function<void(uint32_t point, const gesso::Taps& taps, const gesso::Residuals& residuals)>;

/// Calls `at` at its points.
class ToyInjector {
 public:
  ToyInjector(std::vector<uint32_t> points, At at)
      : points_(std::move(points)), at_(std::move(at)) {
    table_ = {sizeof table_, static_cast<uint32_t>(points_.size()), this, points_.data(), call_at,
              nullptr};
  }
  ToyInjector(const ToyInjector&) = delete;
  const gesso_injector_t* get() const { return &table_; }

 private:
  static gesso_status_t GESSO_CALL call_at(const gesso_injector_t* injector,
                                           const gesso_call_t* call, uint32_t point,
                                           const gesso_bundle_t* taps,
                                           const gesso_sink_t* residuals) {
    return gesso::guard(call->error, [&] {
      static_cast<ToyInjector*>(injector->data)
          ->at_(point, gesso::Taps(taps), gesso::Residuals(residuals));
    });
  }
  std::vector<uint32_t> points_;
  At at_;
  gesso_injector_t table_{};
};

gesso::PointList points_of(Denoiser& denoiser) {
  const auto& table = denoiser.component.interface<gesso_injection_t>(GESSO_INJECTION_ID);
  const gesso_point_t* const* points = nullptr;
  uint32_t count = 0;
  gesso::ErrorText text;
  gesso::check(table.points(denoiser.component.get()->self, &points, &count, &text.error), text);
  CHECK(count == 6);  // one refiner block, three main blocks
  return {points, count};
}

std::vector<int64_t> shape_of_tap(const gesso::Taps& taps, uint32_t tap, size_t item) {
  const auto shape = gesso::shape_of(taps.list(tap).at(item)->dl_tensor);
  return {shape.begin(), shape.end()};
}

Tensor rows_of(int64_t rows, int64_t width, const std::vector<int64_t>& set, float value) {
  std::vector<float> values(static_cast<size_t>(rows * width));
  for (const int64_t row : set) {
    for (int64_t k = 0; k < width; ++k) values[static_cast<size_t>(row * width + k)] = value;
  }
  return float_tensor(values, {rows, width});
}

constexpr int64_t kWidth = 64;

}  // namespace

TEST_CASE("the points stand in run order, with what can be done there") {
  Denoiser denoiser{Case("dit/square")};
  const auto points = points_of(denoiser);
  CHECK(points.place_of("embed", gesso::kTap) == 0);
  CHECK(points.place_of("noise_refiner.0", gesso::kAdd) == 1);
  CHECK(points.place_of("unified", gesso::kTap) == 2);
  CHECK(points.place_of("layers.0", gesso::kAdd) == 3);
  CHECK(points.place_of("layers.2", gesso::kAdd) == 5);
  CHECK_THROWS_AS(points.place_of("layers.3", gesso::kAdd), Error);
  CHECK_THROWS_AS(points.place_of("embed", gesso::kAdd), Error);
  CHECK(points.tap_of(0, "sizes") == points.tap_of(2, "image_tokens"));
  CHECK_THROWS_AS(points.tap_of(3, "x"), Error);
}

TEST_CASE("an injector is called at its points in order, and sees every item's tensors") {
  const Case c("dit/batch_mixed_size");
  Denoiser denoiser(c);
  const auto points = points_of(denoiser);
  const auto items = batch(c);
  std::vector<uint32_t> called;
  const ToyInjector toy({0, 1, 2, 5}, [&](uint32_t point, const gesso::Taps& taps, const auto&) {
    called.push_back(point);
    if (point == 1 || point == 5) {
      CHECK(taps.list(0).empty());
      return;
    }
    const auto place = [&](const char* name) { return points.tap_of(point, name); };
    CHECK(taps.list(place("x")).size() == items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      const auto latents = gesso::shape_of(items[i].latents.dl());
      const int64_t rows = latents[1] / 2, columns = latents[2] / 2;
      const int64_t image = (rows * columns + 31) / 32 * 32;
      const int64_t caption = (gesso::shape_of(items[i].text.dl())[0] + 31) / 32 * 32;
      const int64_t length = point == 0 ? image : image + caption;
      CHECK(shape_of_tap(taps, place("x"), i) == std::vector<int64_t>{length, kWidth});
      CHECK(shape_of_tap(taps, place("cos"), i) == shape_of_tap(taps, place("sin"), i));
      CHECK(shape_of_tap(taps, place("cos"), i)[0] == length);
      CHECK(shape_of_tap(taps, place("condition"), i).size() == 1);
      const auto* counts = taps.list(place(point == 0 ? "sizes" : "image_tokens"))[i];
      const auto numbers = gesso::elements<int64_t>(counts->dl_tensor);
      const std::vector<int64_t> found(numbers.begin(), numbers.end());
      CHECK(found ==
            (point == 0 ? std::vector{rows, columns, rows * columns} : std::vector{image}));
    }
  });
  const auto untouched = denoiser.run(batch(c));
  CHECK(denoiser.run(batch(c), "precise", nullptr, {toy.get()}) == untouched);
  CHECK(called == std::vector<uint32_t>{0, 1, 2, 5});
}

TEST_CASE("at \"embed\" the rows behind the picture are all the same: the pad token") {
  const Case c("dit/wide_padded");
  Denoiser denoiser(c);
  const ToyInjector toy({0}, [&](uint32_t, const gesso::Taps& taps, const auto&) {
    const auto x = floats_of(taps.list(0)[0]->dl_tensor);
    const int64_t tokens = gesso::elements<int64_t>(taps.list(4)[0]->dl_tensor)[2];
    const auto pad = x.begin() + tokens * kWidth;
    REQUIRE(x.end() - pad > kWidth);
    CHECK(std::equal(pad + kWidth, x.end(), pad));
    CHECK_FALSE(std::equal(pad - kWidth, pad, pad));
  });
  denoiser.run(one(single(c)), "precise", nullptr, {toy.get()});
}

TEST_CASE("behind the last block a residual of one token changes its patch and nothing else") {
  const Case c("dit/square");
  Denoiser denoiser(c);
  const auto before = denoiser.run(one(single(c)))[0];
  const std::vector<int64_t> latents = c.inputs.at("latents").shape;
  const int64_t height = latents[2], width = latents[3];
  int64_t length = 0;
  const ToyInjector reader({2}, [&](uint32_t, const gesso::Taps& taps, const auto&) {
    length = shape_of_tap(taps, 0, 0)[0];
  });
  const ToyInjector toy({5}, [&](uint32_t, const auto&, const gesso::Residuals& residuals) {
    std::vector<float> values(static_cast<size_t>(length * kWidth));
    for (int64_t k = 0; k < kWidth; ++k) values[static_cast<size_t>(kWidth + k)] = float(k % 5);
    residuals.put(0, float_tensor(values, {length, kWidth}));  // token 1: row 0, columns 2 and 3
    residuals.put(0, rows_of(length, kWidth, {length - 1}, 1.0f));  // the caption's last token
  });
  const auto after = denoiser.run(one(single(c)), "precise", nullptr, {reader.get(), toy.get()})[0];
  for (size_t i = 0; i < before.size(); ++i) {
    const auto cell = static_cast<int64_t>(i) % (height * width);
    const int64_t y = cell / width, x = cell % width;
    CAPTURE(i);
    CHECK((before[i] == after[i]) == !(y < 2 && x >= 2 && x < 4));
  }
}

TEST_CASE("residuals of several injectors add up, item by item") {
  const Case c("dit/batch_same_size");
  Denoiser denoiser(c);
  const auto before = denoiser.run(batch(c));
  std::vector<int64_t> lengths;
  const ToyInjector reader({0}, [&](uint32_t, const gesso::Taps& taps, const auto&) {
    for (size_t i = 0; i < taps.list(0).size(); ++i) {
      lengths.push_back(shape_of_tap(taps, 0, i)[0]);
    }
  });
  const auto adds = [&](float value) {
    return [&, value](uint32_t, const auto&, const gesso::Residuals& residuals) {
      residuals.put(1, rows_of(lengths.at(1), kWidth, {0, 2}, value));
    };
  };
  const ToyInjector half({1}, adds(0.25f)), other_half({1}, adds(0.25f)), whole({1}, adds(0.5f));
  const auto once = denoiser.run(batch(c), "precise", nullptr, {reader.get(), whole.get()});
  CHECK(once[0] == before[0]);
  CHECK(once[1] != before[1]);
  CHECK(once[2] == before[2]);
  const auto twice =
      denoiser.run(batch(c), "precise", nullptr, {reader.get(), half.get(), other_half.get()});
  for (size_t i = 0; i < once[1].size(); ++i) {
    CHECK(twice[1][i] == doctest::Approx(once[1][i]).epsilon(1e-4));
  }
}

TEST_CASE("an injector's error ends the run with its text") {
  const Case c("dit/square");
  Denoiser denoiser(c);
  const auto before = denoiser.run(one(single(c)));
  const ToyInjector toy({3}, [](uint32_t, const auto&, const auto&) {
    throw Error(gesso::Status::Numeric, "no more ink");
  });
  CHECK_THROWS_WITH_AS(denoiser.run(one(single(c)), "precise", nullptr, {toy.get()}),
                       doctest::Contains("no more ink"), Error);
  CHECK(denoiser.weights.entered_now() == 0);
  CHECK(denoiser.run(one(single(c))) == before);
}

TEST_CASE("residuals that do not fit are refused") {
  const Case c("dit/square");
  Denoiser denoiser(c);
  const auto refused = [&](uint32_t point, int32_t item, int64_t rows, const char* reason) {
    const ToyInjector toy({point}, [&](uint32_t, const auto&, const gesso::Residuals& residuals) {
      residuals.put(item, rows_of(rows, kWidth, {}, 0));
    });
    CHECK_THROWS_WITH_AS(denoiser.run(one(single(c)), "precise", nullptr, {toy.get()}),
                         doctest::Contains(reason), Error);
  };
  refused(1, 0, 31, "expected [64, 64], found [31, 64]");
  refused(1, 1, 64, "1 items");
  refused(1, -1, 64, "residual of item -1");
  refused(0, 0, 64, "takes none");
}
