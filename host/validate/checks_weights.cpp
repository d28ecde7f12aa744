// Components with weights: what they do with the service "gesso.weights/1".
#include "validate/each_operation.hpp"

namespace gesso::validate {
namespace {

/// An instance that computes with weights; every one of its operations was run once.
std::unique_ptr<Subject> after_runs(Context& c, bool moves = false) {
  auto subject = c.ready();
  subject->weights()->moves = moves;
  for (const OperationContract& contract : contracts_of(c.component->kind)) {
    Operation operation(*subject, contract);
    operation.feed({});
    operation.run();
  }
  return subject;
}

void balanced(Context& c) {
  const auto subject = after_runs(c);
  const gesso_weights& w = *subject->weights();
  expect(w.open_units() == 0, "after its runs {} units are entered still: {} enters, {} leaves",
         w.open_units(), w.entered, w.left);
}

void rightly_called(Context& c) {
  const auto subject = after_runs(c);
  for (const std::string& text : subject->weights()->misuse) fail("it {}", text);
}

void kept(Context& c) {
  const auto subject = after_runs(c);
  expect(subject->weights()->unchanged(), "it wrote to a weight");
}

void moved(Context& c) {
  each_operation(
      c,
      [](Operation& operation, Subject& subject) {
        const Outcome resident = operation.run();
        subject.weights()->moves = true;
        for (int i = 0; i < 2; ++i) {
          const std::string differs = difference(resident, operation.run());
          expect(differs.empty(), "weights that stay and weights that move: {}", differs);
        }
      },
      true);
}

void refused(Context& c) {
  each_operation(
      c,
      [](Operation& operation, Subject& subject) {
        const Outcome before = operation.run();
        const uint64_t entered = subject.weights()->entered;
        operation.run();
        if (subject.weights()->entered == entered) return;  // computes without weights
        subject.weights()->refuses = true;
        const Outcome outcome = operation.run();
        expect(outcome.status == GESSO_STATUS_OUT_OF_MEMORY,
               "enter failed with OUT_OF_MEMORY, the run with status {}", outcome.status);
        subject.weights()->refuses = false;
        const std::string differs = difference(before, operation.run());
        expect(differs.empty(), "before and after enter failed: {}", differs);
      },
      true);
}

void missing(Context& c) {
  std::string name;
  {
    const auto subject = c.ready();
    if (subject->weights()->declared.empty()) skip("it declares no weight that must be there");
    name = subject->weights()->declared.back();
  }
  const auto subject = c.create({.hidden_weight = name});
  std::string text;
  const gesso_status_t status = subject->prepare(&text);
  expect(status != GESSO_STATUS_OK, "it was prepared without the weight \"{}\"", name);
  expect(!text.empty(), "without the weight \"{}\" it failed without a text", name);
}

constexpr Check kChecks[] = {
    {"weights.balanced", "R16", Needs::Ready, "weights", "every unit that is entered is left",
     "Call leave for each enter that succeeded, also when the run fails.", balanced},
    {"weights.rightly_called", "R12", Needs::Ready, "weights",
     "uses only what it declared in prepare",
     "Declare in prepare; enter and leave with the number that declare gave.", rightly_called},
    {"weights.kept", "R12", Needs::Ready, "weights", "weights are not written to",
     "Work on a copy.", kept},
    {"weights.moved", "R12", Needs::Ready, "weights", "weights may be elsewhere at each use",
     "Keep no pointer after leave; trust what you packed only while `generation` is equal.", moved},
    {"weights.refused", "R11", Needs::Ready, "weights",
     "a unit that does not fit ends the run alone",
     "Return what enter returned; leave what was entered before.", refused},
    {"weights.missing", "R7", Needs::Ready, "weights", "a weight that is missing is told",
     "Return what describe and declare return, with their text.", missing},
};

}  // namespace

std::span<const Check> weights_checks() { return kChecks; }

}  // namespace gesso::validate
