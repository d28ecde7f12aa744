// What a request must not be, found before any work.
#pragma once

#include <string>

#include "runtime/parts.hpp"

namespace gesso::runtime {

/// @throws Error  InvalidArgument naming what, found and expected size; null is no picture
void check_picture_size(const Picture& picture, const std::string& what,
                        const GenerateRequest& request);

/// Devices, sizes of pictures, and that the pipeline has the parts that the request needs.
/// @throws Error  InvalidArgument, NotSupported or NotFound
void check_request(const Parts& parts, const config::PipelinePlan& plan,
                   const GenerateRequest& request);

}  // namespace gesso::runtime
