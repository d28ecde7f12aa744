// Tiles cover a picture, and blending equal parts gives the whole back.
#include "runtime/tiles.hpp"

#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <ATen/TensorOperators.h>
#include <doctest/doctest.h>

using namespace gesso::runtime;

TEST_CASE("without a size, or with a large one, there is one tile") {
  CHECK((tiles_of(12, 20, 0, 0, 2) == std::vector<Tile>{{0, 0, 12, 20}}));
  CHECK((tiles_of(12, 20, 32, 4, 2) == std::vector<Tile>{{0, 0, 12, 20}}));
}

TEST_CASE("tiles touch both borders and overlap as asked") {
  for (const int64_t length : {18, 20, 30, 46}) {
    const auto tiles = tiles_of(length, 16, 16, 4, 2);
    CHECK(tiles.front().top == 0);
    CHECK(tiles.back().top + tiles.back().height == length);
    for (size_t i = 1; i < tiles.size(); ++i) {
      CHECK(tiles[i - 1].top + tiles[i - 1].height - tiles[i].top >= 4);
      CHECK(tiles[i].top % 2 == 0);
    }
  }
}

TEST_CASE("an overlap as large as the tile still moves on") {
  CHECK(tiles_of(20, 16, 16, 16, 2).size() == 3);
}

TEST_CASE("parts cut out of a whole blend into the whole") {
  const at::Tensor whole = at::arange(2 * 30 * 22, at::kFloat).view({2, 30, 22});
  Blend blend(whole, 4);
  for (const Tile& tile : tiles_of(30, 22, 16, 4, 2)) blend.add(cut(whole, tile), tile);
  CHECK((blend.result() - whole).abs().max().item<float>() < 1e-3f);
}

TEST_CASE("what is not as large as its tiles together is told with both sizes") {
  const auto tiles = tiles_of(30, 22, 16, 4, 2);
  check_covers(at::zeros({33, 30, 22}), tiles, "context");
  CHECK_THROWS_WITH(
      check_covers(at::zeros({33, 15, 22}), tiles, "context"),
      doctest::Contains(
          "context: expected C x 30 x 22, the size of the latents; found 33 x 15 x 22"));
  CHECK_THROWS(check_covers(at::zeros({30, 22}), tiles, "context"));
}

TEST_CASE("where two parts overlap, the nearer one counts more") {
  const at::Tensor whole = at::zeros({1, 4, 28});
  const auto tiles = tiles_of(4, 28, 16, 4, 2);
  REQUIRE(tiles.size() == 2);
  Blend blend(whole, 4);
  blend.add(cut(whole, tiles[0]), tiles[0]);
  blend.add(cut(whole, tiles[1]).add(1), tiles[1]);
  const at::Tensor row = blend.result()[0][2];
  CHECK(row[11].item<float>() == 0);
  CHECK(row[12].item<float>() == doctest::Approx(0.2));
  CHECK(row[15].item<float>() == doctest::Approx(0.8));
  CHECK(row[16].item<float>() == 1);
}
