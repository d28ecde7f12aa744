// Where a unit of weights can be, and who moves its bytes. Deciding about places (residency.hpp)
// needs no more than this, so that it can be tried with sizes alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/weights/dtype.hpp"

namespace gesso::runtime {

class Device;

/// A place of a plan (gesso_place_t), understood.
struct Place {
  std::string device;                   // "cpu", "sim:0", ...; "disk" and "meta": nowhere in memory
  std::string storage;                  // "file", "compute", or a storage type such as "fp8_e4m3"
  Device* memory = nullptr;             // null: nowhere
  std::optional<weights::DType> dtype;  // of a storage type
  bool operator==(const Place& other) const {
    return device == other.device && storage == other.storage;
  }
};

/// One component's units; the real ones are gesso_weights.
class UnitStore {
 public:
  virtual ~UnitStore() = default;
  /// Once, when the plan is made. Units that may be on disk are read into memory of our own; others
  /// may be used where the file is mapped.
  virtual void set_reads_file(size_t unit, bool reads) = 0;
  /// Whether it has matrices in fewer bits than bf16. Such units are held as they are stored, and
  /// decoded for each use, where a policy would hold them ready to compute.
  virtual bool is_narrow(size_t) const { return false; }
  /// Room that a unit takes in a place; 0 nowhere.
  virtual uint64_t bytes(size_t unit, const Place& place) const = 0;
  /// Room of copies with updates in them, which come on top where the unit is used.
  virtual uint64_t copy_bytes(size_t unit) const = 0;
  /// Whether the place can be computed from as it is; else a copy is made for each use.
  virtual bool computes_from(size_t unit, const Place& held, const Place& computation) const = 0;
  /// Bytes that come from disk when the unit goes to `place` and is nowhere yet.
  virtual uint64_t read_bytes(size_t unit, const Place& place) const = 0;

  /// Brings a unit from wherever it is to a place in memory. `ahead`: another thread may do it.
  /// @throws Error  what reading the file, the device or the conversion has to say
  virtual void hold(size_t unit, const Place& place, bool ahead) = 0;
  /// Lets go of what is held.
  virtual void release(size_t unit) = 0;
  /// Makes the unit ready to compute with, by a copy for this use when it must. Waits for `hold`.
  virtual void show(size_t unit, const Place& computation) = 0;
  /// Ends a use: a copy made for it goes.
  virtual void hide(size_t unit) = 0;
};

/// Told by a component's weights about their use; see residency.hpp.
class UnitEvents {
 public:
  virtual ~UnitEvents() = default;
  virtual void enter(size_t unit) = 0;
  virtual void leave(size_t unit) = 0;
  virtual void prefetch(size_t unit) = 0;
};

}  // namespace gesso::runtime
