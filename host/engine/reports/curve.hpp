// A curve as an SVG drawing.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace gesso::reports {

struct Point {
  double x = 0, y = 0;
};

struct Series {
  std::string name, colour;  // of CSS
  std::vector<Point> points;
  bool dots = false;  // single points instead of a line
};

/// At most so many points, each the mean of its neighbourhood; non-finite values are left out.
std::vector<Point> thinned(std::span<const Point> points, size_t most);

/// A moving mean that follows the points with this weight of the past, free of the pull to 0 at its
/// beginning.
std::vector<Point> smoothed(std::span<const Point> points, double weight);

/// Axes with round numbers, a grid, a legend where there is more than one series.
std::string curve_svg(const std::string& title, std::span<const Series> series);

}  // namespace gesso::reports
