#include "picture.hpp"

#include <algorithm>

namespace gesso::opencv {

cv::Mat to_mat(const DLTensor& pixels, size_t item) {
  const auto shape = shape_of(pixels);
  if (shape.size() != 3 || shape[0] != 3 || shape[1] < 1 || shape[2] < 1) {
    throw Error(Status::InvalidArgument, "pixels " + std::to_string(item) +
                                             ": expected [3, H, W], found " + shape_text(shape));
  }
  if (!same_type(pixels.dtype, kF32) || pixels.device.device_type != kDLCPU) {
    throw Error(Status::InvalidArgument,
                "pixels " + std::to_string(item) + ": expected float32 on the CPU");
  }
  const int height = static_cast<int>(shape[1]), width = static_cast<int>(shape[2]);
  const auto* first =
      reinterpret_cast<const float*>(static_cast<const char*>(pixels.data) + pixels.byte_offset);
  cv::Mat picture(height, width, CV_8UC3);
  uint8_t* byte = picture.data;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const float value =
            first[c * pixels.strides[0] + y * pixels.strides[1] + x * pixels.strides[2]];
        *byte++ = cv::saturate_cast<uint8_t>((value + 1) * 127.5f);
      }
    }
  }
  return picture;
}

Tensor to_tensor(const cv::Mat& picture) {
  const int64_t shape[] = {3, picture.rows, picture.cols};
  Tensor pixels = Tensor::empty(kF32, shape);
  const auto values = elements<float>(pixels.dl());
  const size_t plane = values.size() / 3;
  const auto channels = static_cast<size_t>(picture.channels());
  const cv::Mat whole = picture.isContinuous() ? picture : picture.clone();
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      const uint8_t byte = whole.data[channels * i + std::min(c, channels - 1)];
      values[c * plane + i] = static_cast<float>(byte) * (2.0f / 255.0f) - 1.0f;
    }
  }
  return pixels;
}

}  // namespace gesso::opencv
