#include "nn/attention.hpp"

#include <ATen/ops/scaled_dot_product_attention.h>

#include "nn/attention_blocked.hpp"

namespace gesso::nn {

at::Tensor attention(const at::Tensor& q_LHD, const at::Tensor& k_LGD, const at::Tensor& v_LGD,
                     bool causal) {
  if (!causal && suits_blocked_attention(q_LHD, k_LGD, v_LGD)) {
    return blocked_attention(q_LHD, k_LGD, v_LGD);
  }
  const auto heads_first = [](const at::Tensor& t) { return t.unsqueeze(0).transpose(1, 2); };
  const at::Tensor out_BHLD = at::scaled_dot_product_attention(
      heads_first(q_LHD), heads_first(k_LGD), heads_first(v_LGD), /*attn_mask=*/{},
      /*dropout_p=*/0.0, causal, /*scale=*/{}, /*enable_gqa=*/q_LHD.size(1) != k_LGD.size(1));
  return out_BHLD.transpose(1, 2).squeeze(0).flatten(1);
}

}  // namespace gesso::nn
