// Components that can begin untrained, from another's weights.
//
//   class Control : public gesso::Component<Control, ..., gesso::InitialWeightsInterface> {
//     static constexpr const char* initial_role = "denoiser";
//     std::vector<gesso::InitialWeight> initial_weights(const gesso::Weights& base);
#pragma once

#include <string>
#include <vector>

#include "../ext/initial_weights.h"
#include "plugin.hpp"

namespace gesso {

struct InitialWeight {
  std::string name;
  std::string source;            ///< of the other component; "": made anew
  std::vector<int64_t> shape{};  ///< of what is made anew
  double spread = 0;             ///< numbers uniform between -spread and spread
};

/// "gesso.initial-weights/1". T has `initial_role` and `initial_weights` as above.
template <class T>
struct InitialWeightsInterface {
  static constexpr const char* id = GESSO_INITIAL_WEIGHTS_ID;
  static const void* table() {
    static const gesso_initial_weights_t t{sizeof(gesso_initial_weights_t), 0, T::initial_role,
                                           list};
    return &t;
  }
  static gesso_status_t GESSO_CALL list(void* self, gesso_weights_t* base,
                                        const gesso_initial_sink_t* sink, gesso_error_t* error) {
    return guard(error, [&] {
      T& object = *static_cast<T*>(self);
      const auto& service =
          object.host().template service<gesso_weights_service_t>(GESSO_WEIGHTS_ID);
      for (const InitialWeight& weight : object.initial_weights(Weights(&service, base))) {
        const gesso_status_t status = sink->accept(
            sink, weight.name.c_str(), weight.source.empty() ? nullptr : weight.source.c_str(),
            weight.shape.data(), static_cast<int32_t>(weight.shape.size()), 0, weight.spread);
        if (status != GESSO_STATUS_OK) {
          throw Error(static_cast<Status>(status), weight.name + " was not accepted");
        }
      }
    });
  }
};

}  // namespace gesso
