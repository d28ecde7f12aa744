// A run made with sizes alone: the policy decides as it would, nothing is moved. Tells what fits,
// and what would.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/memory.hpp"
#include "runtime/stages.hpp"

namespace gesso::runtime {

struct StageForecast {
  StageNeed need;
  std::string device;    // where it is computed
  uint64_t weights = 0;  // of its roles, all of them
  uint64_t peak = 0;     // on that device, with everything on it
  uint64_t moved = 0, read = 0;
};

struct Forecast {
  uint64_t limit = 0;   // bytes; 0: none
  std::string problem;  // why the run would end; empty: it fits
  std::vector<StageForecast> stages;
};

class Forecaster {
 public:
  Forecaster(const config::PipelinePlan& plan, const Parts& parts, std::vector<StageNeed> stages);
  /// One picture from the beginning, under `limit` bytes.
  Forecast run(uint64_t limit) const;
  /// The smallest limit under which it fits, to a mebibyte.
  uint64_t smallest_limit() const;

 private:
  const config::PipelinePlan& plan_;
  const Parts& parts_;
  std::vector<StageNeed> stages_;
};

/// As the plan's JSON has it. `flops_per_second` and `bytes_per_second`: for the time.
nlohmann::json forecast_json(const Forecast& forecast, double flops_per_second,
                             double bytes_per_second);

}  // namespace gesso::runtime
