// "gesso.injection/1" and "gesso.controller/1".
#include <set>

#include "gesso/kind/controller.h"
#include "validate/each_operation.hpp"
#include "validate/surroundings.hpp"

namespace gesso::validate {
namespace {

void points(Context& c) {
  const auto subject = c.ready();
  const auto* table = subject->find<gesso_injection_t>(GESSO_INJECTION_ID);
  expect(table && table->points, "points is NULL");
  const gesso_point_t* const* list = nullptr;
  uint32_t count = 0;
  ErrorText error;
  const auto status = table->points(subject->self(), &list, &count, &error.error);
  expect(status == GESSO_STATUS_OK, "points failed with status {}: {}", status, error.text());
  expect(list && count > 0, "it has no points");
  std::set<std::string> names;
  for (uint32_t i = 0; i < count; ++i) {
    expect(list[i] && list[i]->name && *list[i]->name, "point {} has no name", i);
    expect(names.insert(list[i]->name).second, "two points are called {}", list[i]->name);
    expect(list[i]->flags & (GESSO_POINT_TAP | GESSO_POINT_ADD),
           "point {} can neither be read nor added to", list[i]->name);
    for (uint64_t n = 0; n < list[i]->n_taps; ++n)
      expect(list[i]->taps && list[i]->taps[n] && list[i]->taps[n]->name,
             "point {}: tap {} has no name", list[i]->name, n);
  }
}

/// A controller with a context of its own.
struct Controller {
  explicit Controller(Context& c) : subject(c.ready()) {
    table = subject->find<gesso_controller_t>(GESSO_CONTROLLER_ID);
    if (!table || !table->open || !table->close) fail("its table lacks open or close");
    Operation operation(*subject, {"controller", GESSO_OP_CONTEXT, "", "image", "context", false});
    Outcome outcome = good_run(operation);
    if (outcome.made.empty()) skip("it makes no context (see module.runs)");
    context = std::move(outcome.made[0].tensor);
  }
  gesso_status_t open(const std::vector<const gesso_point_t*>& points) {
    Trial trial;
    injector = nullptr;
    const auto status = table->open(subject->self(), trial.get(), context.get(), 1.0, points.data(),
                                    points.size(), &injector);
    text = trial.text();
    return status;
  }
  std::unique_ptr<Subject> subject;
  const gesso_controller_t* table = nullptr;
  Tensor context;
  const gesso_injector_t* injector = nullptr;
  std::string text;
};

/// Points as the denoisers of this tree name them, enough for any controller that was seen so far.
struct Points {
  Points() {
    const auto add = [&](const char* name, uint32_t flags) {
      gesso_point_t& point = made.emplace_back();
      point = {sizeof point, flags, name, taps.data(), taps.size()};
    };
    for (size_t i = 0; i < std::size(kTaps); ++i) {
      ports[i] = {sizeof(gesso_port_t), GESSO_PORT_PER_ITEM, kTaps[i], kDims[i], nullptr};
      taps.push_back(&ports[i]);
    }
    add("embed", GESSO_POINT_TAP | GESSO_POINT_ADD);
    for (const char* name : kNames) add(name, GESSO_POINT_TAP | GESSO_POINT_ADD);
    for (const gesso_point_t& point : made) list.push_back(&point);
  }
  static constexpr const char* kTaps[] = {"x", "condition", "cos", "sin", "sizes", "image_tokens"};
  static constexpr const char* kDims[] = {"L D", "C", "L K", "L K", "3", "1"};
  static constexpr const char* kNames[] = {"noise_refiner.0", "noise_refiner.1", "unified",
                                           "layers.0",        "layers.1",        "layers.2"};
  gesso_port_t ports[std::size(kTaps)];
  std::vector<const gesso_port_t*> taps;
  std::deque<gesso_point_t> made;
  std::vector<const gesso_point_t*> list;
};

void opens(Context& c) {
  Controller controller(c);
  const Points points;
  const auto status = controller.open(points.list);
  if (status == GESSO_STATUS_INCOMPATIBLE && !controller.text.empty()) {
    skip("it is for a denoiser with other points: {}", controller.text);
  }
  expect(status == GESSO_STATUS_OK && controller.injector, "open failed with status {}: {}", status,
         controller.text);
  const gesso_injector_t& made = *controller.injector;
  expect(made.at != nullptr, "at is NULL");
  expect(made.n_points > 0 && made.points, "it acts at no point");
  for (uint32_t i = 0; i < made.n_points; ++i) {
    expect(made.points[i] < points.list.size(), "it acts at point {} of {}", made.points[i],
           points.list.size());
    expect(i == 0 || made.points[i] > made.points[i - 1], "its points do not rise");
  }
  controller.table->close(controller.subject->self(), controller.injector);
}

void closes(Context& c) {
  Controller controller(c);
  const Points points;
  const auto round = [&] {
    if (controller.open(points.list) != GESSO_STATUS_OK) skip("it does not open here");
    controller.table->close(controller.subject->self(), controller.injector);
  };
  for (int i = 0; i < 20; ++i) round();
  const uint64_t before = heap_bytes();
  for (int i = 0; i < 100; ++i) round();
  const uint64_t after = heap_bytes();
  const uint64_t grown = after > before ? (after - before) / 100 : 0;
  expect(grown < 32, "each injector leaves {} bytes behind", grown);
}

void missing_points(Context& c) {
  Controller controller(c);
  const auto status = controller.open({});
  expect(status != GESSO_STATUS_OK, "a denoiser without points was accepted");
  expect(!controller.text.empty(), "a denoiser without points was refused without a text");
}

constexpr Check kChecks[] = {
    {"injection.points", "R4", Needs::Ready, GESSO_INJECTION_ID, "describes its points",
     "Give every point a name of its own, flags and taps.", points},
    {"controller.opens", "", Needs::Ready, GESSO_CONTROLLER_ID,
     "makes an injector for points that fit",
     "Give at, and the places of its points in rising order.", opens},
    {"controller.closes", "R16", Needs::Ready, GESSO_CONTROLLER_ID,
     "an injector is gone when it is closed", "Free in close what open allocated.", closes},
    {"controller.missing_points", "R7", Needs::Ready, GESSO_CONTROLLER_ID,
     "a denoiser without its points is refused",
     "INCOMPATIBLE, and the name of the point that is missing.", missing_points},
};

}  // namespace

std::span<const Check> control_checks() { return kChecks; }

}  // namespace gesso::validate
