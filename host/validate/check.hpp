// A check: a name, what it asks, the rule behind it, and a function that throws when the answer is
// wrong. Adding a check is adding a row to a table, and a fault of the same name to
// tests/validate/faulty.
#pragma once

#include <fmt/format.h>

#include <span>
#include <stdexcept>
#include <string>

namespace gesso::validate {

struct Context;

/// What must be there before a check can be asked. Each needs those before it.
enum class Needs {
  File,       // the path alone
  Manifest,   // a manifest that can be read
  Library,    // mapped
  Table,      // the entry gave a whole table
  Component,  // a component can be created
  Ready,      // ... and prepared with the sample
};

struct Check {
  const char* name;  // "scheduler.sigmas_fall"
  const char* rule;  // "R4" of docs/validate.md; "": the contract of its kind
  Needs needs;
  const char* only;    // kind or interface of the component, or "weights"; "": every one
  const char* what;    // what is asked, one line
  const char* advice;  // what to do when it fails
  void (*run)(Context& context);
};

/// Ends a check: the plugin does not keep the contract.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Ends a check that cannot be asked here; the text says why, and how it could be.
class Skipped : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw Failure(fmt::format(text, std::forward<Args>(args)...));
}

template <class... Args>
void expect(bool holds, fmt::format_string<Args...> text, Args&&... args) {
  if (!holds) fail(text, std::forward<Args>(args)...);
}

template <class... Args>
[[noreturn]] void skip(fmt::format_string<Args...> text, Args&&... args) {
  throw Skipped(fmt::format(text, std::forward<Args>(args)...));
}

// The tables, in the order in which they are asked; one file each.
std::span<const Check> file_checks();
std::span<const Check> load_checks();
std::span<const Check> table_checks();
std::span<const Check> create_checks();
std::span<const Check> component_checks();
std::span<const Check> module_checks();
std::span<const Check> module_misuse_checks();
std::span<const Check> weights_checks();
std::span<const Check> kind_checks();
std::span<const Check> scheduler_checks();
std::span<const Check> tokenizer_checks();
std::span<const Check> adapter_checks();
std::span<const Check> memory_policy_checks();
std::span<const Check> control_checks();
std::span<const Check> training_checks();

}  // namespace gesso::validate
