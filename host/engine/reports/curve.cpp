#include "engine/reports/curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gesso::reports {
namespace {

constexpr double kWidth = 720, kHeight = 300;
constexpr double kLeft = 64, kRight = 16, kTop = 32, kBottom = 32;
constexpr int kTicks = 5;

struct Range {
  double low = 0, high = 1;
  void widen(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// 1, 2 or 5 times a power of ten, so that about kTicks of them fit.
double round_step(double span) {
  const double power = std::pow(10.0, std::floor(std::log10(span / kTicks)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (span / (factor * power) <= kTicks) return factor * power;
  }
  return 10 * power;
}

class Drawing {
 public:
  Drawing(Range x, Range y) : x_(x), y_(y) {
    text_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" font-family=\"sans-serif\" font-size=\"11\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
        kWidth, kHeight);
  }
  double across(double x) const {
    return kLeft + (x - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight);
  }
  double down(double y) const {
    return kHeight - kBottom - (y - y_.low) / (y_.high - y_.low) * (kHeight - kTop - kBottom);
  }
  void label(double x, double y, const char* anchor, const std::string& text) {
    text_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y,
                         anchor, text);
  }
  void grid_line(double x1, double y1, double x2, double y2) {
    text_ += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>\n", x1, y1,
        x2, y2);
  }
  void axes() {
    const double step_y = round_step(y_.high - y_.low), step_x = round_step(x_.high - x_.low);
    for (double y = std::ceil(y_.low / step_y) * step_y; y <= y_.high; y += step_y) {
      grid_line(kLeft, down(y), kWidth - kRight, down(y));
      label(kLeft - 6, down(y) + 4, "end", fmt::format("{:.4g}", std::abs(y) < step_y / 2 ? 0 : y));
    }
    for (double x = std::ceil(x_.low / step_x) * step_x; x <= x_.high; x += step_x) {
      grid_line(across(x), kTop, across(x), kHeight - kBottom);
      label(across(x), kHeight - kBottom + 16, "middle", fmt::format("{:.6g}", x));
    }
  }
  void draw(const Series& series) {
    if (!series.dots) text_ += "<polyline fill=\"none\" points=\"";
    for (const Point& point : series.points) {
      text_ += series.dots
                   ? fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n",
                                 across(point.x), down(point.y), series.colour)
                   : fmt::format("{:.1f},{:.1f} ", across(point.x), down(point.y));
    }
    if (!series.dots)
      text_ += fmt::format("\" stroke=\"{}\" stroke-width=\"1.5\"/>\n", series.colour);
  }
  void legend(std::span<const Series> series) {
    double x = kWidth - kRight;
    for (auto one = series.rbegin(); one != series.rend(); ++one) {
      text_ +=
          fmt::format("<text x=\"{:.1f}\" y=\"18\" text-anchor=\"end\" fill=\"{}\">{}</text>\n", x,
                      one->colour, one->name);
      x -= 7.0 * static_cast<double>(one->name.size()) + 16;
    }
  }
  std::string finish() { return text_ + "</svg>\n"; }

 private:
  Range x_, y_;
  std::string text_;
};

}  // namespace

std::vector<Point> thinned(std::span<const Point> points, size_t most) {
  std::vector<Point> finite;
  for (const Point& point : points) {
    if (std::isfinite(point.y)) finite.push_back(point);
  }
  if (finite.size() <= most) return finite;
  std::vector<Point> means(most);
  for (size_t i = 0; i < most; ++i) {
    const size_t begin = i * finite.size() / most, end = (i + 1) * finite.size() / most;
    for (size_t k = begin; k < end; ++k)
      means[i].y += finite[k].y / static_cast<double>(end - begin);
    means[i].x = finite[(begin + end - 1) / 2].x;
  }
  return means;
}

std::vector<Point> smoothed(std::span<const Point> points, double weight) {
  std::vector<Point> result;
  double mean = 0, share = 1;
  for (const Point& point : points) {
    mean = weight * mean + (1 - weight) * point.y;
    share *= weight;
    result.push_back({point.x, mean / (1 - share)});
  }
  return result;
}

std::string curve_svg(const std::string& title, std::span<const Series> series) {
  Range x{0, 1}, y{0, 0};
  for (const Series& one : series) {
    for (const Point& point : one.points) {
      x.widen(point.x);
      y.widen(point.y);
    }
  }
  if (y.high == y.low) y.high = y.low + 1;
  Drawing drawing(x, y);
  drawing.label(kLeft, 18, "start", title);
  drawing.axes();
  for (const Series& one : series) drawing.draw(one);
  if (series.size() > 1) drawing.legend(series);
  return drawing.finish();
}

}  // namespace gesso::reports
