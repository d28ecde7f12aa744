#include "cli/plan_picture.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gesso::cli {

using nlohmann::json;

namespace {

constexpr int kLeft = 170, kWide = 560, kRow = 20, kBar = 14;

double gib(const json& bytes) { return bytes.get<double>() / (1 << 30); }

/// The largest number that must fit.
double extent(const json& plan) {
  double most = 1;
  for (const json& limit : plan.at("limits")) {
    most = std::max(most, gib(limit.at("limit")));
    for (const json& stage : limit.at("stages")) most = std::max(most, gib(stage.at("peak")));
  }
  return most;
}

std::string text_at(double x, double y, const std::string& text, const char* more = "") {
  return fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\"{}>{}</text>\n", x, y, more, text);
}

std::string box(double x, double y, double width, const char* color) {
  return fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.0f}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n", x, y,
      std::max(width, 0.0), kBar, color);
}

}  // namespace

std::string plan_svg(const json& plan) {
  const double scale = kWide / extent(plan);
  std::string body;
  double y = 30;
  for (const json& limit : plan.at("limits")) {
    const double most = gib(limit.at("limit"));
    const double top = y;
    const std::string name = most > 0 ? fmt::format("{:.3g} GiB", most) : "no limit";
    body += text_at(10, y + 12, name, " font-weight=\"bold\"");
    if (!limit.at("fits").get<bool>()) {
      body += text_at(kLeft, y + 12, "does not fit");
      y += kRow;
    }
    for (const json& stage : limit.at("stages")) {
      const double peak = gib(stage.at("peak"));
      const double active = std::min(peak, gib(stage.at("activations")));
      body += text_at(85, y + 12, stage.at("stage").get<std::string>());
      body += box(kLeft, y, (peak - active) * scale, "#4c78a8");
      body += box(kLeft + (peak - active) * scale, y, active * scale, "#f58518");
      body += text_at(kLeft + peak * scale + 6, y + 12,
                      fmt::format("{:.2f} GiB, {:.0f} s", peak, stage.at("seconds").get<double>()));
      y += kRow;
    }
    if (most > 0) {
      body += fmt::format(
          "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.0f}\" y2=\"{2:.0f}\" "
          "stroke=\"#d62728\"/>\n",
          kLeft + most * scale, top - 3, y - 3);
    }
    y += kRow / 2.0;
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"10\" y=\"18\">{}x{}, {} steps: blue weights and process, orange activations, red "
      "the limit</text>\n{}</svg>\n",
      kLeft + kWide + 140, y + 10, plan.at("width").dump(), plan.at("height").dump(),
      plan.at("steps").dump(), body);
}

}  // namespace gesso::cli
