// C: channels, R: cells of the picture.
#include "nn/group_norm.hpp"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/silu.h>

#include <cmath>
#include <mutex>
#include <vector>

#include "nn/rows.hpp"
#include "nn/watched.hpp"

namespace gesso::nn {
namespace {

/// Sums over the cells, by channel.
struct Sums {
  explicit Sums(int64_t C) : plain(C), squares(C) {}
  std::vector<double> plain, squares;
};

/// In float32 over some rows, which it is exact enough for, and from there on in float64.
template <class T>
Sums channel_sums(const T* x_RC, int64_t R, int64_t C) {
  constexpr int64_t kRows = 256;
  Sums total(C);
  std::mutex adding;
  for_rows(R, C, [&](int64_t begin, int64_t count) {
    Sums own(C);
    std::vector<float> plain(C), squares(C);
    for (const int64_t end = begin + count; begin < end; begin += kRows) {
      std::ranges::fill(plain, 0.0f);
      std::ranges::fill(squares, 0.0f);
      kernels::column_sums(x_RC + begin * C, std::min(kRows, end - begin), C, plain.data(),
                           squares.data());
      for (int64_t c = 0; c < C; ++c) own.plain[c] += plain[c], own.squares[c] += squares[c];
    }
    const std::scoped_lock lock(adding);
    for (int64_t c = 0; c < C; ++c) {
      total.plain[c] += own.plain[c];
      total.squares[c] += own.squares[c];
    }
  });
  return total;
}

/// The norm as y = x * scale + shift, by channel.
struct Line {
  std::vector<float> scale, shift;
};

Line line_of(const Sums& sums, int64_t R, int64_t groups, const float* weight, const float* bias,
             double eps) {
  const int64_t C = static_cast<int64_t>(sums.plain.size()), width = C / groups;
  const double count = static_cast<double>(R * width);
  Line line{std::vector<float>(C), std::vector<float>(C)};
  for (int64_t begin = 0; begin < C; begin += width) {
    double plain = 0, squares = 0;
    for (int64_t c = begin; c < begin + width; ++c) {
      plain += sums.plain[c];
      squares += sums.squares[c];
    }
    const double mean = plain / count;
    // Not fmax, which would hide NaN.
    const double variance = squares / count - mean * mean;
    const double r = 1.0 / std::sqrt((variance < 0 ? 0 : variance) + eps);
    for (int64_t c = begin; c < begin + width; ++c) {
      line.scale[c] = static_cast<float>(weight[c] * r);
      line.shift[c] = static_cast<float>(bias[c] - mean * r * weight[c]);
    }
  }
  return line;
}

bool suits(const at::Tensor& x, int64_t groups) {
  const auto type = x.scalar_type();
  return x.size(0) == 1 && x.size(1) % groups == 0 && x.is_cpu() &&
         x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
         (type == at::kFloat || type == at::kBFloat16);
}

}  // namespace

at::Tensor group_norm_silu_plain(const at::Tensor& x_BCHW, int64_t groups, const at::Tensor& weight,
                                 const at::Tensor& bias, double eps) {
  const auto type = x_BCHW.scalar_type();
  at::Tensor y = at::group_norm(x_BCHW, groups, weight.to(type), bias.to(type), eps);
  return at::silu_(y);
}

at::Tensor group_norm_silu(const at::Tensor& x_BCHW, int64_t groups, const at::Tensor& weight,
                           const at::Tensor& bias, double eps) {
  if (!suits(x_BCHW, groups) || watched({x_BCHW, weight, bias})) {
    return group_norm_silu_plain(x_BCHW, groups, weight, bias, eps);
  }
  const int64_t C = x_BCHW.size(1), R = x_BCHW.size(2) * x_BCHW.size(3);
  const auto wide = [&](const at::Tensor& w) {
    return w.to(x_BCHW.scalar_type()).to(at::kFloat).contiguous();
  };
  const at::Tensor w = wide(weight), b = wide(bias);
  at::Tensor y = at::empty_like(x_BCHW);
  for_kernel_type(x_BCHW, [&]<class T>(T) {
    const T* in = static_cast<const T*>(x_BCHW.const_data_ptr());
    T* out = static_cast<T*>(y.mutable_data_ptr());
    const Line line = line_of(channel_sums(in, R, C), R, groups, w.const_data_ptr<float>(),
                              b.const_data_ptr<float>(), eps);
    for_rows(R, C, [&](int64_t begin, int64_t count) {
      kernels::scale_shift_silu(in + begin * C, line.scale.data(), line.shift.data(), count, C,
                                out + begin * C);
    });
  });
  return y;
}

}  // namespace gesso::nn
