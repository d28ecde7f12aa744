// Pictures between tensors and OpenCV.
#pragma once

#include <opencv2/core.hpp>

#include "gesso/cpp/module.hpp"

namespace gesso::opencv {

/// @param pixels  float32 [3, H, W] in [-1, 1]
/// @return        8-bit RGB, rounded
/// @throws Error  InvalidArgument for another shape, naming the item; Incompatible for another type
cv::Mat to_mat(const DLTensor& pixels, size_t item);

/// The reverse; a picture with one channel gets three equal ones.
Tensor to_tensor(const cv::Mat& picture);

}  // namespace gesso::opencv
