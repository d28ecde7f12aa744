#include "nn/trainable.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "gesso/cpp/training_torch.hpp"
#include "nn/activation.hpp"
#include "nn/cpu_features.hpp"
#include "nn/linear.hpp"
#include "nn/rows.hpp"

// Each Function below has its plain version, made of torch's own operations, in its tests.
namespace gesso::nn::trainable {
namespace {

using ::torch::autograd::AutogradContext;
using ::torch::autograd::Function;
using Variables = ::torch::autograd::variable_list;

constexpr int64_t kParts = 8;  // sums over rows are made in as many parts, whatever the threads

/// Calls `body(begin, count, sums)` for fixed parts of the rows and adds up their sums in order:
/// the same bits for any number of threads.
template <class Body>
void for_parts(int64_t rows, int64_t row_length, std::vector<at::Tensor*> sums, const Body& body) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor* sum : sums) {
    parts.push_back(sum->defined() ? at::zeros({kParts, sum->numel()}, at::kFloat) : at::Tensor());
  }
  for_rows(kParts, rows * row_length / kParts, [&](int64_t first, int64_t parts_here) {
    for (int64_t part = first; part < first + parts_here; ++part) {
      const int64_t begin = rows * part / kParts, end = rows * (part + 1) / kParts;
      std::vector<float*> places;
      for (const at::Tensor& t : parts) {
        places.push_back(t.defined() ? t.mutable_data_ptr<float>() + part * t.size(1) : nullptr);
      }
      if (end > begin) body(begin, end - begin, places);
    }
  });
  for (size_t i = 0; i < sums.size(); ++i) {
    if (sums[i]->defined()) sums[i]->copy_(parts[i].sum(0).view(sums[i]->sizes()));
  }
}

/// A gradient's buffer where it is wanted; undefined otherwise.
at::Tensor sum_like(const at::Tensor& like, bool wanted) {
  return wanted ? at::zeros(like.sizes(), at::kFloat) : at::Tensor();
}
at::Tensor typed(const at::Tensor& sum, const at::Tensor& like) {
  return sum.defined() ? sum.to(like.scalar_type()) : sum;
}

/// x W^T + bias + updates, for bf16 where the processor has no products of it: all in float32, in
/// pieces of the weight, rounded once; the way back likewise.
class WidenedLinear : public Function<WidenedLinear> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, at::TensorList updates,
                            const std::vector<double>& scales) {
    Variables saved{x, weight};
    std::vector<Delta> deltas;
    for (size_t i = 0; i < scales.size(); ++i) {
      deltas.push_back({updates[2 * i], updates[2 * i + 1], scales[i]});
      saved.insert(saved.end(), {updates[2 * i], updates[2 * i + 1]});
    }
    ctx->save_for_backward(saved);
    ctx->saved_data["scales"] = scales;
    ctx->saved_data["bias"] = bias.has_value();
    return linear_widened(x, weight, bias.value_or(at::Tensor()), deltas);
  }
  static Variables backward(AutogradContext* ctx, Variables grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const auto scales = ctx->saved_data["scales"].toDoubleVector();
    const bool has_bias = ctx->saved_data["bias"].toBool();
    const int64_t n_out = weight.size(0), n_in = weight.size(1);
    const at::Tensor g_MN = grads[0].reshape({-1, n_out}).to(at::kFloat);
    const at::Tensor x_MK = x.reshape({-1, n_in}).to(at::kFloat);

    Variables result(3 + 2 * scales.size() + 1);
    at::Tensor dx_MK;
    if (ctx->needs_input_grad(0)) dx_MK = at::mm(g_MN, weight.to(at::kFloat));
    if (ctx->needs_input_grad(1)) result[1] = at::mm(g_MN.t(), x_MK).to(weight.scalar_type());
    if (has_bias && ctx->needs_input_grad(2)) result[2] = g_MN.sum(0).to(grads[0].scalar_type());
    const size_t first = 3;
    for (size_t i = 0; i < scales.size(); ++i) {
      const at::Tensor a = saved[2 + 2 * i].to(at::kFloat), b = saved[3 + 2 * i].to(at::kFloat);
      const at::Tensor g_MR = at::mm(g_MN, b).mul_(scales[i]);
      result[first + 2 * i] = at::mm(g_MR.t(), x_MK).to(saved[2 + 2 * i].scalar_type());
      result[first + 2 * i + 1] =
          at::mm(g_MN.t(), at::mm(x_MK, a.t())).mul_(scales[i]).to(saved[3 + 2 * i].scalar_type());
      if (dx_MK.defined()) dx_MK.addmm_(g_MR, a);
    }
    if (dx_MK.defined()) result[0] = dx_MK.to(x.scalar_type()).view(x.sizes());
    return result;
  }
};

/// rms_norm(x) * weight [* scale]; x [B, L, D] and scale [B, 1, D], or x of any rows without scale.
class RmsNorm : public Function<RmsNorm> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& given, const at::Tensor& weight,
                            const std::optional<at::Tensor>& scale, double eps) {
    const at::Tensor x = given.contiguous();
    at::Tensor y = at::empty_like(x);
    const int64_t D = x.size(-1);
    run(x, scale, [&](const at::Tensor& rows, const at::Tensor& s, int64_t b) {
      for_kernel_type(x, [&]<class T>(T) {
        for_rows(rows.size(0), D, [&](int64_t begin, int64_t count) {
          const int64_t at = b * rows.numel() + begin * D;
          kernels::rms_norm(data<T>(x) + at, data<T>(weight), data<T>(s), static_cast<float>(eps),
                            count, D, data<T>(y) + at);
        });
      });
    });
    Variables saved{x, weight};
    if (scale) saved.push_back(scale->contiguous());
    ctx->save_for_backward(saved);
    ctx->saved_data["eps"] = eps;
    return y;
  }
  static Variables backward(AutogradContext* ctx, Variables grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const auto scale = saved.size() > 2 ? std::optional(saved[2]) : std::nullopt;
    const auto eps = static_cast<float>(ctx->saved_data["eps"].toDouble());
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor dx = at::empty_like(x), dw = sum_like(weight, ctx->needs_input_grad(1));
    at::Tensor dscale = scale ? sum_like(*scale, ctx->needs_input_grad(2)) : at::Tensor();
    const int64_t D = x.size(-1);
    run(x, scale, [&](const at::Tensor& rows, const at::Tensor& s, int64_t b) {
      at::Tensor dw_here = sum_like(weight, dw.defined());
      at::Tensor ds_here = dscale.defined() ? sum_like(s, true) : at::Tensor();
      const int64_t offset = b * rows.numel();
      for_kernel_type(x, [&]<class T>(T) {
        for_parts(rows.size(0), D, {&dw_here, &ds_here},
                  [&](int64_t begin, int64_t count, const std::vector<float*>& sums) {
                    const int64_t at = offset + begin * D;
                    kernels::rms_norm_back(data<T>(x) + at, data<T>(weight), data<T>(s),
                                           data<T>(dy) + at, eps, count, D, data<T>(dx) + at,
                                           sums[0], sums[1]);
                  });
      });
      if (dw.defined()) dw.add_(dw_here);
      if (dscale.defined()) dscale.select(0, b).view({-1}).copy_(ds_here);
    });
    return {dx, typed(dw, weight), typed(dscale, x), at::Tensor()};
  }

 private:
  /// The rows that one scale is for, batch by batch.
  template <class Body>
  static void run(const at::Tensor& x, const std::optional<at::Tensor>& scale, const Body& body) {
    if (!scale) return body(x.view({-1, x.size(-1)}), at::Tensor(), 0);
    for (int64_t b = 0; b < x.size(0); ++b) {
      body(x[b], scale->expand({x.size(0), 1, x.size(2)})[b][0].contiguous(), b);
    }
  }
};

class HeadNormRotate : public Function<HeadNormRotate> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& given, const at::Tensor& weight,
                            const at::Tensor& cos, const at::Tensor& sin, double eps) {
    const at::Tensor x = given.contiguous();
    at::Tensor y = x.clone();
    for (at::Tensor rows : y.unbind()) head_norm_rotate_(rows, weight, eps, {cos, sin});
    ctx->save_for_backward({x, weight, cos, sin});
    ctx->saved_data["eps"] = eps;
    return y;
  }
  static Variables backward(AutogradContext* ctx, Variables grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &cos = saved[2], &sin = saved[3];
    const auto eps = static_cast<float>(ctx->saved_data["eps"].toDouble());
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor dx = at::empty_like(x), dw = sum_like(weight, ctx->needs_input_grad(1));
    const int64_t L = x.size(1), H = x.size(2), K = x.size(3);
    for (int64_t b = 0; b < x.size(0); ++b) {
      at::Tensor dw_here = sum_like(weight, dw.defined());
      for_kernel_type(x, [&]<class T>(T) {
        for_parts(L, H * K, {&dw_here},
                  [&](int64_t begin, int64_t count, const std::vector<float*>& sums) {
                    const int64_t at = (b * L + begin) * H * K;
                    kernels::head_norm_rotate_back(
                        data<T>(x) + at, data<T>(weight), data<float>(cos) + begin * K / 2,
                        data<float>(sin) + begin * K / 2, data<T>(dy) + at, eps, count, H, K,
                        data<T>(dx) + at, sums[0]);
                  });
      });
      if (dw.defined()) dw.add_(dw_here);
    }
    return {dx, typed(dw, weight), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

class SiluMultiply : public Function<SiluMultiply> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& a, const at::Tensor& b) {
    const at::Tensor kept_a = a.contiguous(), kept_b = b.contiguous();
    at::Tensor y = kept_a.clone();
    silu_multiply_(y, kept_b);
    ctx->save_for_backward({kept_a, kept_b});
    return y;
  }
  static Variables backward(AutogradContext* ctx, Variables grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor da = at::empty_like(dy), db = at::empty_like(dy);
    for_kernel_type(dy, [&]<class T>(T) {
      for_rows(dy.numel(), 1, [&](int64_t begin, int64_t count) {
        kernels::silu_multiply_back(data<T>(saved[0]) + begin, data<T>(saved[1]) + begin,
                                    data<T>(dy) + begin, count, data<T>(da) + begin,
                                    data<T>(db) + begin);
      });
    });
    return {da, db};
  }
};

void check_all_items(const torch::LowRank& delta) {
  if (delta.items == ~uint64_t{0}) return;
  throw Error(Status::NotSupported, "an update for some items of a batch cannot be trained with");
}

/// y + scale * (x A^T) B^T
at::Tensor with_update(const at::Tensor& y, const at::Tensor& x, const torch::LowRank& delta) {
  const auto type = x.scalar_type();
  const at::Tensor down_MR = at::mm(x.reshape({-1, x.size(-1)}), delta.a.to(type).t());
  return at::addmm(y.reshape({-1, y.size(-1)}), down_MR, delta.b.to(type).t(), 1, delta.scale)
      .view(y.sizes());
}

std::optional<at::Tensor> optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

/// [B, 1, D], or [D] for all.
bool per_batch(const at::Tensor& scale, const at::Tensor& x) {
  return scale.dim() == 3 && x.dim() == 3 && scale.size(0) == x.size(0) && scale.size(1) == 1;
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const torch::Weight& weight, const at::Tensor& bias) {
  for (const torch::LowRank& delta : weight.deltas) check_all_items(delta);
  if (x.scalar_type() == at::kBFloat16 && !has_native_bf16()) {
    std::vector<at::Tensor> updates;
    std::vector<double> scales;
    for (const torch::LowRank& delta : weight.deltas) {
      updates.insert(updates.end(), {delta.a, delta.b});
      scales.push_back(delta.scale);
    }
    return WidenedLinear::apply(x, weight.data, optional(bias), at::TensorList(updates), scales);
  }
  at::Tensor y = at::linear(x, weight.data, optional(bias));
  for (const torch::LowRank& delta : weight.deltas) y = with_update(y, x, delta);
  return y;
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                    const at::Tensor& scale) {
  if (!scale.defined()) return RmsNorm::apply(x, weight, std::optional<at::Tensor>(), eps);
  if (per_batch(scale, x)) return RmsNorm::apply(x, weight, optional(scale), eps);
  return RmsNorm::apply(x, weight, std::optional<at::Tensor>(), eps).mul(scale);
}

at::Tensor add_gated_rms_norm(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight,
                              double eps, const at::Tensor& gate) {
  return x.add(rms_norm(y, weight, eps, gate));
}

at::Tensor head_norm_rotate(const at::Tensor& x_BLHK, const at::Tensor& weight, double eps,
                            const Rotary& rotary) {
  return HeadNormRotate::apply(x_BLHK, weight, rotary.cos, rotary.sin, eps);
}

at::Tensor silu_multiply(const at::Tensor& a, const at::Tensor& b) {
  return SiluMultiply::apply(a, b);
}

at::Tensor attention(const at::Tensor& q_BLHK, const at::Tensor& k_BLGK, const at::Tensor& v_BLGK,
                     bool causal) {
  const auto heads_first = [](const at::Tensor& t) { return t.transpose(1, 2); };
  const at::Tensor out_BHLK = at::scaled_dot_product_attention(
      heads_first(q_BLHK), heads_first(k_BLGK), heads_first(v_BLGK), /*attn_mask=*/{},
      /*dropout_p=*/0.0, causal, /*scale=*/{}, /*enable_gqa=*/q_BLHK.size(2) != k_BLGK.size(2));
  return out_BHLK.transpose(1, 2).flatten(2);
}

}  // namespace gesso::nn::trainable
