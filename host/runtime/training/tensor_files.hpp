// Tensors on their way to files and back.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "engine/weights/safetensors_writer.hpp"
#include "engine/weights/tensor_view.hpp"

namespace gesso::runtime {

/// The tensor's own memory under a name.
weights::NamedTensor named_tensor(const std::string& name, const at::Tensor& tensor);

/// A copy. @throws Error NotSupported for a type that tensors here do not have
at::Tensor tensor_of(const weights::TensorView& view);

}  // namespace gesso::runtime
