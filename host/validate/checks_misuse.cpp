// "gesso.module/1" as it should not be used: wrong inputs, cancel, sinks that refuse.
#include <cstring>

#include "validate/each_operation.hpp"

namespace gesso::validate {
namespace {

/// What is asked only of operations that run.
template <class Body>
void each_running(Context& c, Body body) {
  each_operation(c, body, true);
}

void expect_refused(const Outcome& outcome, const std::string& what) {
  expect(outcome.status != GESSO_STATUS_OK, "{} was accepted", what);
  expect(!outcome.text.empty(), "{} was refused with status {} and no text", what, outcome.status);
}

void missing_input(Context& c) {
  each_running(c, [](Operation& operation, Subject&) {
    std::vector<std::string> needed = words(operation.contract().inputs);
    if (std::string(operation.contract().operation) == "compose") needed = {"prompt"};
    for (const std::string& port : needed) {
      operation.feed({.leave_out = port});
      expect_refused(operation.run(), fmt::format("a run without \"{}\"", port));
    }
  });
}

void wrong_rank(Context& c) {
  each_running(c, [](Operation& operation, Subject&) {
    for (const std::string& port : operation.ports()) {
      operation.feed({.wrong_rank = port});
      expect_refused(operation.run(), fmt::format("an extent too many at \"{}\"", port));
    }
  });
}

void wrong_dtype(Context& c) {
  each_running(c, [](Operation& operation, Subject&) {
    for (const std::string& port : operation.ports()) {
      operation.feed({.wrong_dtype = port});
      expect_refused(operation.run(), fmt::format("another type at \"{}\"", port));
    }
  });
}

/// Served or refused, but neither a crash nor silence.
void expect_answer(const Outcome& outcome, const std::string& what) {
  expect(outcome.status == GESSO_STATUS_OK || !outcome.text.empty(),
         "{} failed with status {} and no text", what, outcome.status);
  expect(outcome.status != GESSO_STATUS_OK || !outcome.made.empty(), "{} gave nothing", what);
}

void odd_sizes(Context& c) {
  each_running(c, [](Operation& operation, Subject&) {
    operation.feed({.sizes = {{"H", 33}, {"W", 47}, {"h", 3}, {"w", 5}, {"L", 1}}});
    expect_answer(operation.run(), "a run with odd sizes");
  });
}

void zero_sizes(Context& c) {
  each_running(c, [](Operation& operation, Subject&) {
    operation.feed({.sizes = {{"H", 0}, {"W", 0}, {"h", 0}, {"w", 0}, {"L", 0}}});
    expect_answer(operation.run(), "a run with empty tensors");
  });
}

void unknown_operation(Context& c) {
  each_running(c, [](Operation& operation, Subject& subject) {
    gesso_run_t run = operation.raw(nullptr);
    run.op = 1000000;
    Trial trial;
    const gesso_status_t status = operation.module().run(subject.self(), trial.get(), &run);
    expect(status != GESSO_STATUS_OK, "operation number 1,000,000 was run");
    expect(!trial.text().empty(), "operation number 1,000,000 was refused without a text");
  });
}

void without_error(Context& c) {
  each_running(c, [](Operation& operation, Subject&) {
    std::vector<std::string> fed = operation.ports();
    operation.feed({.leave_out = fed.empty() ? "prompt" : fed.front()});
    Trial trial;
    trial.get()->error = nullptr;
    operation.run(trial);  // must not crash
  });
}

void cancelled(Context& c) {
  each_running(c, [](Operation& operation, Subject&) {
    Trial trial;
    trial.cancel = true;
    const Outcome outcome = operation.run(trial);
    expect(outcome.status == GESSO_STATUS_CANCELLED || trial.polled > 0,
           "it never asked whether it was cancelled");
    expect(outcome.status == GESSO_STATUS_CANCELLED,
           "it was cancelled and returned status {}, not CANCELLED", outcome.status);
  });
}

void after_cancel(Context& c) {
  each_running(c, [](Operation& operation, Subject&) {
    const Outcome before = operation.run();
    Trial trial;
    trial.cancel = true;
    operation.run(trial);
    const std::string differs = difference(before, operation.run());
    expect(differs.empty(), "before and after a cancelled run: {}", differs);
  });
}

void after_failure(Context& c) {
  each_running(c, [](Operation& operation, Subject&) {
    const Outcome before = operation.run();
    const auto fed = operation.ports();
    operation.feed({.leave_out = fed.empty() ? "prompt" : fed.front()});
    operation.run();
    operation.feed({});
    const std::string differs = difference(before, operation.run());
    expect(differs.empty(), "before and after a run that failed: {}", differs);
  });
}

void sink_refuses(Context& c) {
  each_running(c, [](Operation& operation, Subject&) {
    Trial trial;
    const Outcome outcome = operation.run(trial, GESSO_STATUS_OUT_OF_MEMORY);
    expect(outcome.status != GESSO_STATUS_OK, "its result was refused, and it returned OK");
    expect(outcome.made.size() <= 1, "it gave {} more results after the first was refused",
           outcome.made.size() - 1);
  });
}

template <class Body>
void each_estimate(Context& c, Body body) {
  bool asked = false;
  each_running(c, [&](Operation& operation, Subject& subject) {
    if (!GESSO_HAS(gesso_module_t, &operation.module(), estimate)) return;
    operation.feed({.shapes_only = true});
    const gesso_run_t run = operation.raw(nullptr);
    asked = true;
    body(operation.module(), subject.self(), run);
  });
  if (!asked) skip("it has no estimate");
}

void estimates(Context& c) {
  each_estimate(c, [](const gesso_module_t& module, void* self, const gesso_run_t& run) {
    gesso_estimate_t out{sizeof out, 0, 0, 0};
    Trial trial;
    const gesso_status_t status = module.estimate(self, trial.get(), &run, &out);
    expect(status == GESSO_STATUS_OK || status == GESSO_STATUS_NOT_SUPPORTED,
           "estimate failed with status {}: {}", status, trial.text());
    expect(out.peak_bytes < (uint64_t{1} << 40), "tiny tensors would take {} bytes",
           out.peak_bytes);
  });
}

void short_estimate(Context& c) {
  each_estimate(c, [](const gesso_module_t& module, void* self, const gesso_run_t& run) {
    gesso_estimate_t out{offsetof(gesso_estimate_t, flops), 0, 0, 0xA5A5A5A5A5A5A5A5u};
    Trial trial;
    module.estimate(self, trial.get(), &run, &out);
    expect(out.flops == 0xA5A5A5A5A5A5A5A5u, "it wrote beyond the struct_size of the caller");
  });
}

constexpr const char* kModule = GESSO_MODULE_ID;

constexpr Check kChecks[] = {
    {"module.missing_input", "R7", Needs::Ready, kModule,
     "a required input that is missing is told",
     "Count the tensors of each port; INVALID_ARGUMENT and a text.", missing_input},
    {"module.wrong_rank", "R7", Needs::Ready, kModule, "an extent too many is refused",
     "Compare ndim with what the port says, before anything is computed.", wrong_rank},
    {"module.wrong_dtype", "R7", Needs::Ready, kModule, "another element type is refused",
     "Compare dtype with what the port says, before anything is computed.", wrong_dtype},
    {"module.odd_sizes", "R7", Needs::Ready, kModule, "odd sizes are served or refused",
     "Return a status and a text for sizes that you do not serve.", odd_sizes},
    {"module.zero_sizes", "R7", Needs::Ready, kModule, "empty tensors are served or refused",
     "Return a status and a text for sizes that you do not serve.", zero_sizes},
    {"module.unknown_operation", "R7", Needs::Ready, kModule,
     "an operation that is not there is refused", "Compare run->op with the number of operations.",
     unknown_operation},
    {"module.without_error", "R7", Needs::Ready, kModule, "fails also when no error is passed",
     "Test call->error for NULL before you write to it.", without_error},
    {"module.cancel", "R11", Needs::Ready, kModule, "a cancelled run ends as CANCELLED",
     "Ask call->cancelled at least once per block, before a result is given.", cancelled},
    {"module.after_cancel", "R11", Needs::Ready, kModule, "works after a cancelled run",
     "Leave units and free memory also when a run ends early.", after_cancel},
    {"module.after_failure", "R11", Needs::Ready, kModule, "works after a run that failed",
     "Change the instance only when the run succeeds.", after_failure},
    {"module.sink_refuses", "R5", Needs::Ready, kModule, "ends when a result is refused",
     "Return what accept returned, at once; the tensor is the sink's in any case.", sink_refuses},
    {"module.estimates", "", Needs::Ready, kModule, "estimates from shapes alone",
     "Read no data in estimate; NOT_SUPPORTED where there is none.", estimates},
    {"module.short_estimate", "R2", Needs::Ready, kModule,
     "writes no more than the caller has room for",
     "Write a field of gesso_estimate_t only when struct_size covers it.", short_estimate},
};

}  // namespace

std::span<const Check> module_misuse_checks() { return kChecks; }

}  // namespace gesso::validate
