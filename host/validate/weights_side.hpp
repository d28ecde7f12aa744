// The service "gesso.weights/1" as the checks need it: plain memory, every use counted, and
// switches for what a host may do to a component.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/weights/mapped_weights.hpp"
#include "gesso/service/weights.h"

/// What the opaque handle of the C ABI is here. Used by one thread at a time.
struct gesso_weights {
  explicit gesso_weights(std::shared_ptr<const gesso::weights::MappedWeights> files);
  ~gesso_weights();
  gesso_weights(const gesso_weights&) = delete;
  gesso_weights& operator=(const gesso_weights&) = delete;

  static const gesso_weights_service_t& service();

  // Set before `prepare` or between runs.
  bool moves = false;     // every use finds the unit elsewhere; what was shown is overwritten
  bool refuses = false;   // `enter` fails with OUT_OF_MEMORY
  std::string hidden;     // a weight that the file seems not to have
  bool declaring = true;  // false after `prepare`

  uint64_t entered = 0, left = 0;
  uint32_t open_units() const;        // entered and not left
  std::vector<std::string> misuse;    // calls against the rules, in words
  std::vector<std::string> declared;  // names of weights that no file may lack
  bool unchanged() const;             // nobody wrote into what was shown

 private:
  struct Unit;
  static gesso_status_t GESSO_CALL describe(gesso_weights_t*, const char*, DLTensor*,
                                            gesso_error_t*);
  static gesso_status_t GESSO_CALL declare(gesso_weights_t*, const char*,
                                           const gesso_weight_request_t* const*, uint32_t,
                                           uint32_t*, gesso_error_t*);
  static gesso_status_t GESSO_CALL enter(gesso_weights_t*, const gesso_call_t*, uint32_t,
                                         gesso_unit_view_t*);
  static void GESSO_CALL leave(gesso_weights_t*, uint32_t);
  static void GESSO_CALL prefetch(gesso_weights_t*, uint32_t);
  std::optional<gesso::weights::StoredWeight> find(const std::string& name) const;
  void fill(Unit& unit);

  std::shared_ptr<const gesso::weights::MappedWeights> files_;
  std::vector<std::unique_ptr<Unit>> units_;
  std::vector<std::unique_ptr<std::vector<int64_t>>> shapes_;
  mutable bool written_ = false;
};
