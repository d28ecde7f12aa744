#include "nn/trainable.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "gesso/cpp/training_torch.hpp"
#include "nn/activation.hpp"
#include "nn/attention_blocked.hpp"
#include "nn/cpu_features.hpp"
#include "nn/linear.hpp"
#include "nn/products.hpp"
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

/// What was computed already; autograd only has to know where it came from.
struct Made {
  Variables tensors;
};

/// Products are made in float32 where the processor has none of bf16.
at::ScalarType product_type(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 && !has_native_bf16() ? at::kFloat : x.scalar_type();
}

at::Tensor as_rows(const at::Tensor& x, at::ScalarType type) {
  return x.reshape({-1, x.size(-1)}).to(type);
}

/// x W^T + bias + updates, rounded once; then x A^T of each update, in the products' type.
Variables linear_products(const at::Tensor& x, const torch::Weight& weight,
                          const std::optional<at::Tensor>& bias) {
  const auto type = product_type(x);
  const bool widened = type != x.scalar_type();
  const at::Tensor x_MK = as_rows(x, type);
  at::Tensor y_MN =
      widened ? widened_product(x_MK, weight.data) : at::linear(x_MK, weight.data, bias);
  if (widened && bias) y_MN.add_(*bias);
  Variables made(1);
  for (const torch::LowRank& delta : weight.deltas) {
    const at::Tensor down_MR = at::mm(x_MK, delta.a.to(type).t());
    y_MN.addmm_(down_MR, delta.b.to(type).t(), 1, delta.scale);
    made.push_back(down_MR);
  }
  auto shape = x.sizes().vec();
  shape.back() = y_MN.size(1);
  made.front() = y_MN.to(x.scalar_type()).view(shape);
  return made;
}

/// The way back of `linear_products`: each gradient is one product, updates are added within it.
class Linear : public Function<Linear> {
 public:
  /// @param updates  A and B of each
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, at::TensorList updates,
                            const std::vector<double>& scales, const Made& made) {
    Variables saved{x, weight};
    saved.insert(saved.end(), updates.begin(), updates.end());
    saved.insert(saved.end(), made.tensors.begin() + 1, made.tensors.end());
    ctx->save_for_backward(saved);
    ctx->saved_data["scales"] = scales;
    ctx->saved_data["bias"] = bias.has_value();
    return made.tensors.front().detach();
  }
  static Variables backward(AutogradContext* ctx, Variables grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const auto scales = ctx->saved_data["scales"].toDoubleVector();
    const bool has_bias = ctx->saved_data["bias"].toBool();
    const auto type = product_type(x);
    const at::Tensor g_MN = as_rows(grads[0], type);

    constexpr size_t kOthers = 5;  // x, weight, bias, scales, made
    Variables result(kOthers + 2 * scales.size());
    at::Tensor dx_MK;
    if (ctx->needs_input_grad(0)) dx_MK = at::mm(g_MN, weight.to(type));
    if (ctx->needs_input_grad(1)) {
      result[1] = at::mm(g_MN.t(), as_rows(x, type)).to(weight.scalar_type());
    }
    if (has_bias && ctx->needs_input_grad(2)) result[2] = g_MN.sum(0).to(grads[0].scalar_type());
    for (size_t i = 0; i < scales.size(); ++i) {
      const size_t edge = 2 + has_bias + 2 * i;  // of A, then of B
      const at::Tensor &a = saved[2 + 2 * i], &b = saved[3 + 2 * i];
      const at::Tensor& down_MR = saved[2 + 2 * scales.size() + i];
      const at::Tensor g_MR = at::mm(g_MN, b.to(type)).mul_(scales[i]);
      if (ctx->needs_input_grad(edge)) {
        result[3 + 2 * i] = at::mm(g_MR.t(), as_rows(x, type)).to(a.scalar_type());
      }
      if (ctx->needs_input_grad(edge + 1)) {
        result[4 + 2 * i] = at::mm(g_MN.t(), down_MR).mul_(scales[i]).to(b.scalar_type());
      }
      if (dx_MK.defined()) dx_MK.addmm_(g_MR, a.to(type));
    }
    if (dx_MK.defined()) result[0] = dx_MK.to(x.scalar_type()).view(x.sizes());
    return result;
  }
};

at::Tensor heads_first(const at::Tensor& x_BLHK) { return x_BLHK.transpose(1, 2); }

bool is_blocked(const at::Tensor& q_BLHK, const at::Tensor& k_BLHK, const at::Tensor& v_BLHK) {
  return suits_blocked_attention(q_BLHK[0], k_BLHK[0], v_BLHK[0]);
}

/// The result [B, L, H * K], and the logarithms of each row's sum of exponentials [B, H, L].
Variables attention_products(const at::Tensor& q_BLHK, const at::Tensor& k_BLHK,
                             const at::Tensor& v_BLHK) {
  if (!is_blocked(q_BLHK, k_BLHK, v_BLHK)) {
    auto [out_BHLK, sums_BHL] = at::_scaled_dot_product_flash_attention_for_cpu(
        heads_first(q_BLHK), heads_first(k_BLHK), heads_first(v_BLHK));
    return {out_BHLK.transpose(1, 2).flatten(2), sums_BHL};
  }
  const at::Tensor sums_BHL = at::empty({q_BLHK.size(0), q_BLHK.size(2), q_BLHK.size(1)},
                                        q_BLHK.options().dtype(at::kFloat));
  Variables items;
  for (int64_t b = 0; b < q_BLHK.size(0); ++b) {
    items.push_back(blocked_attention(q_BLHK[b], k_BLHK[b], v_BLHK[b], sums_BHL[b]));
  }
  return {at::stack(items), sums_BHL};
}

class Attention : public Function<Attention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q_BLHK,
                            const at::Tensor& k_BLHK, const at::Tensor& v_BLHK, const Made& made) {
    ctx->save_for_backward({q_BLHK, k_BLHK, v_BLHK, made.tensors[0], made.tensors[1]});
    return made.tensors[0].detach();
  }
  static Variables backward(AutogradContext* ctx, Variables grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3], &sums = saved[4];
    if (!is_blocked(q, k, v)) {
      const auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
          heads_first(grads[0].reshape(q.sizes())), heads_first(q), heads_first(k), heads_first(v),
          heads_first(out.view(q.sizes())), sums, /*dropout_p=*/0.0, /*is_causal=*/false);
      return {dq.transpose(1, 2), dk.transpose(1, 2), dv.transpose(1, 2), at::Tensor()};
    }
    Variables dq, dk, dv;
    for (int64_t b = 0; b < q.size(0); ++b) {
      AttentionGrads item = blocked_attention_back(q[b], k[b], v[b], out[b], sums[b], grads[0][b]);
      dq.push_back(std::move(item.q_LHD));
      dk.push_back(std::move(item.k_LHD));
      dv.push_back(std::move(item.v_LHD));
    }
    return {at::stack(dq), at::stack(dk), at::stack(dv), at::Tensor()};
  }
};

/// By `once` where there is one, without autograd.
template <class Make>
Made made_by(torch::Leaves* once, const Make& make) {
  if (once) return {once->once(make)};
  const at::AutoGradMode mode(false);
  return {make()};
}

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

std::optional<at::Tensor> optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

/// [B, 1, D], or [D] for all.
bool per_batch(const at::Tensor& scale, const at::Tensor& x) {
  return scale.dim() == 3 && x.dim() == 3 && scale.size(0) == x.size(0) && scale.size(1) == 1;
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const torch::Weight& weight, const at::Tensor& bias,
                  torch::Leaves* once) {
  std::vector<at::Tensor> updates;
  std::vector<double> scales;
  for (const torch::LowRank& delta : weight.deltas) {
    check_all_items(delta);
    updates.insert(updates.end(), {delta.a, delta.b});
    scales.push_back(delta.scale);
  }
  const Made made = made_by(once, [&] { return linear_products(x, weight, optional(bias)); });
  return Linear::apply(x, weight.data, optional(bias), at::TensorList(updates), scales, made);
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

at::Tensor attention(const at::Tensor& q_BLHK, const at::Tensor& k_BLHK, const at::Tensor& v_BLHK,
                     torch::Leaves* once) {
  return Attention::apply(q_BLHK, k_BLHK, v_BLHK, made_by(once, [&] {
                            return attention_products(q_BLHK, k_BLHK, v_BLHK);
                          }));
}

at::Tensor causal_attention(const at::Tensor& q_BLHK, const at::Tensor& k_BLGK,
                            const at::Tensor& v_BLGK) {
  const at::Tensor out_BHLK = at::scaled_dot_product_attention(
      heads_first(q_BLHK), heads_first(k_BLGK), heads_first(v_BLGK), /*attn_mask=*/{},
      /*dropout_p=*/0.0, /*is_causal=*/true, /*scale=*/{},
      /*enable_gqa=*/q_BLHK.size(2) != k_BLGK.size(2));
  return out_BHLK.transpose(1, 2).flatten(2);
}

}  // namespace gesso::nn::trainable
