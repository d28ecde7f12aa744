// Delta sources whose updates can be trained.
//
//   class Dora : public gesso::Component<Dora, gesso::DeltaSourceInterface,
//                                        gesso::DeltaTrainingInterface> {
//     static constexpr const char* kinds[] = {"dora", nullptr};
//     std::vector<gesso::NamedPart> begin(const gesso::NewDelta&);
//     std::vector<gesso::NamedPart> back(std::span<const gesso_named_tensor_t> parts,
//                                        const gesso_target_t&, gesso_tensor_t* base,
//                                        gesso_tensor_t* weight_grad);
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../ext/delta_training.h"
#include "delta.hpp"

namespace gesso {

struct NamedPart {
  std::string name;
  Tensor tensor;
};

/// What an update is begun for.
struct NewDelta {
  std::string_view kind;
  const gesso_target_t& target;
  gesso_tensor_t* base;  ///< borrowed
  int64_t rank;
  uint64_t seed;
};

/// "gesso.delta-training/1". T has `kinds`, `begin` and `back` as above.
template <class T>
struct DeltaTrainingInterface {
  static constexpr const char* id = GESSO_DELTA_TRAINING_ID;
  static const void* table() {
    static const gesso_delta_training_t t{sizeof(gesso_delta_training_t), 0, T::kinds, begin, back};
    return &t;
  }

 private:
  static void give(std::vector<NamedPart> parts, const gesso_part_sink_t* sink) {
    for (NamedPart& part : parts) {
      const gesso_status_t status = sink->accept(sink, part.name.c_str(), part.tensor.release());
      if (status != GESSO_STATUS_OK) {
        throw Error(static_cast<Status>(status), part.name + " was not accepted");
      }
    }
  }
  static gesso_status_t GESSO_CALL begin(void* self, const gesso_call_t* call, const char* kind,
                                         const gesso_target_t* target, gesso_tensor_t* base,
                                         uint64_t rank, uint64_t seed,
                                         const gesso_part_sink_t* parts) {
    return guard(call ? call->error : nullptr, [&] {
      give(static_cast<T*>(self)->begin({kind, *target, base, static_cast<int64_t>(rank), seed}),
           parts);
    });
  }
  static gesso_status_t GESSO_CALL back(void* self, const gesso_call_t* call,
                                        const gesso_named_tensor_t* parts, uint64_t n_parts,
                                        const gesso_target_t* target, gesso_tensor_t* base,
                                        gesso_tensor_t* weight_grad,
                                        const gesso_part_sink_t* grads) {
    return guard(call ? call->error : nullptr, [&] {
      give(static_cast<T*>(self)->back(std::span(parts, n_parts), *target, base, weight_grad),
           grads);
    });
  }
};

}  // namespace gesso
