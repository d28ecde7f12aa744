#include "engine/reports/curve.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace gesso::reports;

TEST_CASE("thinning keeps the mean and drops what is not finite") {
  std::vector<Point> points;
  for (int i = 0; i < 1000; ++i)
    points.push_back({static_cast<double>(i), static_cast<double>(i % 10)});
  points.push_back({1000, NAN});
  const auto thin = thinned(points, 100);
  REQUIRE(thin.size() == 100);
  for (const Point& point : thin) CHECK(point.y == doctest::Approx(4.5));
  CHECK(thinned(std::span(points).first(3), 100).size() == 3);
}

TEST_CASE("a constant is not changed by smoothing") {
  const std::vector<Point> points(5, {1, 3});
  for (const Point& point : smoothed(points, 0.9)) CHECK(point.y == doctest::Approx(3));
}

TEST_CASE("a drawing holds its series, and survives having none") {
  const std::vector<Series> series = {{"loss", "blue", {{1, 2}, {2, 1}}},
                                      {"validation", "red", {{2, 1.5}}, true}};
  const std::string svg = curve_svg("loss", series);
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.find("<polyline") != std::string::npos);
  CHECK(svg.find("<circle") != std::string::npos);
  CHECK(svg.find(">validation</text>") != std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(curve_svg("nothing", {}).find("nan") == std::string::npos);
}
