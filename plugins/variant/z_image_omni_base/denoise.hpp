// The operation "denoise" of the Omni transformer: from ports to items and back.
#pragma once

#include "omni_dit.hpp"

namespace gesso::z_image_omni_base {

/// @throws Error  InvalidArgument when ports do not fit together
void denoise(OmniDit& dit, const Call& call, const Inputs& inputs, Outputs& outputs);
std::unique_ptr<Tape> train_denoise(OmniDit& dit, const Call& call, const Inputs& inputs,
                                    Outputs& outputs, const TrainRequest& request);
gesso_estimate_t estimate_denoise(const OmniConfig& config, const Inputs& inputs);

}  // namespace gesso::z_image_omni_base
