// Runs a check for every operation that the component's kind asks for.
#pragma once

#include "validate/context.hpp"
#include "validate/operation.hpp"

namespace gesso::validate {

/// Each on an instance of its own. `steady`: skips when plain runs do not succeed, or differ, since
/// module.runs or module.repeats has told that.
template <class Body>
void each_operation(Context& c, Body body, bool steady = false) {
  const auto contracts = contracts_of(c.component->kind);
  if (contracts.empty()) skip("the kind \"{}\" has no operations of its own", c.component->kind);
  for (const OperationContract& contract : contracts) {
    const auto subject = c.ready();
    Operation operation(*subject, contract);
    operation.feed({});
    if (steady) {
      const Outcome first = operation.run();
      if (first.status != GESSO_STATUS_OK) skip("it does not run (see module.runs)");
      if (!difference(first, operation.run()).empty()) {
        skip("its runs differ (see module.repeats)");
      }
    }
    try {
      body(operation, *subject);
    } catch (const Failure& failure) {
      fail("operation \"{}\": {}", contract.operation, failure.what());
    }
  }
}

/// The one operation of that name, run as it should be.
inline Outcome good_run(Operation& operation, const Feeding& feeding = {}) {
  operation.feed(feeding);
  Outcome outcome = operation.run();
  if (outcome.status != GESSO_STATUS_OK) skip("it does not run (see module.runs)");
  return outcome;
}

}  // namespace gesso::validate
