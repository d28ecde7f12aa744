// Updates of weights: sources that read them from files, generators that make them of pictures.
//
//   class Lora : public gesso::Component<Lora, gesso::DeltaSourceInterface> {
//     std::unique_ptr<gesso::DeltaSet> open(std::span<const gesso_named_tensor_t> tensors,
//                                           std::span<const gesso_target_t> targets);
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../kind/delta_generator.h"
#include "module.hpp"

namespace gesso {

/// The updates of one file. A source derives from it what keeps parts alive.
class DeltaSet {
 public:
  struct Entry {
    uint32_t target;   ///< place in the targets, or GESSO_TARGET_NONE
    std::string name;  ///< the key of the file
    gesso_delta_t delta{};
  };
  virtual ~DeltaSet() = default;
  /// The weight with the whole update of entry `index`. @throws Error NotSupported by default
  virtual Tensor materialize(const Call&, size_t index, gesso_tensor_t* base_f32) {
    static_cast<void>(base_f32);
    throw Error(Status::NotSupported, "update " + std::to_string(index) + " is low-rank");
  }
  std::vector<Entry> entries;
};

/// "gesso.delta-source/1". T has `open` as above.
template <class T>
struct DeltaSourceInterface {
  static constexpr const char* id = GESSO_DELTA_SOURCE_ID;
  static const void* table() {
    static const gesso_delta_source_t t{
        sizeof(gesso_delta_source_t), 0, open, get, close, materialize};
    return &t;
  }

 private:
  static gesso_status_t GESSO_CALL open(void* self, const gesso_call_t*,
                                        const gesso_named_tensor_t* tensors, uint64_t n_tensors,
                                        const gesso_target_t* targets, uint64_t n_targets,
                                        void** set, uint64_t* count, gesso_error_t* error) {
    return guard(error, [&] {
      std::unique_ptr<DeltaSet> made =
          static_cast<T*>(self)->open(std::span(tensors, n_tensors), std::span(targets, n_targets));
      *count = made->entries.size();
      *set = made.release();
    });
  }
  static gesso_status_t GESSO_CALL get(void*, void* set, uint64_t index, uint32_t* target,
                                       const char** name, gesso_delta_t* delta,
                                       gesso_error_t* error) {
    return guard(error, [&] {
      const DeltaSet::Entry& entry = static_cast<DeltaSet*>(set)->entries.at(index);
      *target = entry.target;
      *name = entry.name.c_str();
      *delta = entry.delta;
    });
  }
  static void GESSO_CALL close(void*, void* set) { delete static_cast<DeltaSet*>(set); }
  static gesso_status_t GESSO_CALL materialize(void*, const gesso_call_t* call, void* set,
                                               uint64_t index, gesso_tensor_t* base,
                                               gesso_tensor_t** out) {
    return guard(call ? call->error : nullptr, [&] {
      *out = static_cast<DeltaSet*>(set)->materialize(Call(call), index, base).release();
    });
  }
};

/// "gesso.delta-generator/1" over `std::span<const gesso_target_t> T::targets() const`.
template <class T>
struct DeltaGeneratorInterface {
  static constexpr const char* id = GESSO_DELTA_GENERATOR_ID;
  static const void* table() {
    static const gesso_delta_generator_t t{sizeof(gesso_delta_generator_t), 0, targets};
    return &t;
  }

 private:
  static gesso_status_t GESSO_CALL targets(void* self, const gesso_target_t** targets,
                                           uint64_t* count, gesso_error_t* error) {
    return guard(error, [&] {
      const auto made = static_cast<const T*>(self)->targets();
      *targets = made.data();
      *count = made.size();
    });
  }
};

}  // namespace gesso
