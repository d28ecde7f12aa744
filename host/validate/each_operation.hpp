// Runs a check for every operation that the component's kind asks for.
#pragma once

#include "validate/context.hpp"
#include "validate/operation.hpp"

namespace gesso::validate {

/// Each on an instance of its own. `must_run`: skips when a plain run does not succeed, since
/// module.runs has told that.
template <class Body>
void each_operation(Context& c, Body body, bool must_run = false) {
  const auto contracts = contracts_of(c.component->kind);
  if (contracts.empty()) skip("the kind \"{}\" has no operations of its own", c.component->kind);
  for (const OperationContract& contract : contracts) {
    const auto subject = c.ready();
    Operation operation(*subject, contract);
    operation.feed({});
    if (must_run && operation.run().status != GESSO_STATUS_OK) {
      skip("it does not run (see module.runs)");
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
