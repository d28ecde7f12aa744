// Files of adapters apart from any pipeline: read, added to weights, made anew. Beside runtime.hpp
// the other seam between libgesso and the library that computes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/config/pipeline_plan.hpp"
#include "engine/weights/low_rank.hpp"

namespace gesso::runtime {

/// A weight that adapters may update.
struct AdapterTarget {
  std::string name;                           // without ".weight"
  int64_t out_features = 0, in_features = 0;  // 0: not known, whatever the file has fits
};

/// A file that was read. One thread at a time.
class AdapterFile {
 public:
  virtual ~AdapterFile() = default;
  virtual size_t keys() const = 0;                                // tensors of the file
  virtual const std::vector<std::string>& unmatched() const = 0;  // those that no target wanted
  virtual std::vector<std::string> targets() const = 0;           // that are updated, by name
  /// Views stay valid while this lives. @throws Error NotSupported naming an update of another form
  virtual std::vector<weights::LowRankUpdate> low_rank() const = 0;
  /// The weight with what the file adds to it, times `scale`.
  /// @param values  [out, in], float32
  virtual weights::TensorView added(const std::string& target, const weights::TensorView& values,
                                    double scale) const = 0;
};

class AdapterTools {
 public:
  virtual ~AdapterTools() = default;
  /// @throws Error  the source's own, naming keys
  virtual std::unique_ptr<AdapterFile> open(const config::AdapterPlan& plan,
                                            std::shared_ptr<registry::Registry> registry,
                                            const std::vector<AdapterTarget>& targets) = 0;
  /// The product of this rank, or of the lesser extent where that is smaller, that is nearest to a
  /// matrix. Its factors are rounded to `type` (F32, BF16 or F16) and then measured.
  /// @param matrix  [out, in], float32
  virtual weights::Factors factorise(const weights::TensorView& matrix, int64_t rank,
                                     weights::DType type) = 0;
  /// The same of a sum of updates of one weight, which is never made: exact.
  virtual weights::Factors factorise(std::span<const weights::LowRankUpdate> updates, int64_t rank,
                                     weights::DType type) = 0;
};

/// The symbol that gives the tools; they live as long as the library.
using GetAdapterTools = AdapterTools* (*)();
inline constexpr const char* kAdapterToolsSymbol = "gesso_adapter_tools";

}  // namespace gesso::runtime
