#include "runtime/training/tensor_files.hpp"

#include "gesso/cpp/torch.hpp"
#include "runtime/component_weights.hpp"

namespace gesso::runtime {
namespace {

weights::DType dtype_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return weights::DType::F32;
    case at::kHalf:
      return weights::DType::F16;
    case at::kBFloat16:
      return weights::DType::BF16;
    case at::kLong:
      return weights::DType::I64;
    case at::kByte:
      return weights::DType::U8;
    default:
      throw Error(Status::NotSupported, std::string("tensors of type ") +
                                            at::toString(tensor.scalar_type()) +
                                            " are not written to files");
  }
}

}  // namespace

weights::NamedTensor named_tensor(const std::string& name, const at::Tensor& tensor) {
  const auto owner = std::make_shared<at::Tensor>(tensor.contiguous());
  const auto bytes = static_cast<const std::byte*>(owner->const_data_ptr());
  return {name, {dtype_of(tensor), tensor.sizes().vec(), {bytes, owner->nbytes()}, owner}};
}

at::Tensor tensor_of(const weights::TensorView& view) {
  BorrowedTensor borrowed(view, dl_type(view.dtype));
  return torch::borrow(borrowed.get()).clone();
}

}  // namespace gesso::runtime
