"""Batched training forward passes over the parameters of the reference classes.

Same mathematics as `ZImageTransformer2DModel` (basic mode) and
`Qwen3Model(...).hidden_states[-2]`, but for one fixed picture size and one
caption length of 32 tokens (after padding), without per-sample lists and with
real instead of complex arithmetic.  The image padding tokens of a sample all
have the same content and position, so they stay equal in every layer: one of
them is computed, and its attention weight is multiplied by their number.  The
last layer is evaluated for the image tokens only.  `check()` compares both
functions with the classes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

CAPTION_TOKENS = 32  # SEQ_MULTI_OF of the reference class


def rope_tables(dit, height: int, width: int):
    """cos, sin (S, 1, head_dim/2) and attention bias (S) of [image | 1 padding token | 32 caption tokens]."""
    h, w = height // 2, width // 2
    pad = -(h * w) % CAPTION_TOKENS
    assert pad > 0, "this shortcut expects image padding"
    ids = [(CAPTION_TOKENS + 1, y, x) for y in range(h) for x in range(w)]
    ids += [(0, 0, 0)] + [(1 + k, 0, 0) for k in range(CAPTION_TOKENS)]
    freqs = dit.rope_embedder(torch.tensor(ids)).unsqueeze(1)
    bias = torch.zeros(len(ids))
    bias[h * w] = math.log(pad)
    return freqs.real.contiguous(), freqs.imag.contiguous(), bias


def rotate_pairs(x, cos, sin):
    """x (B, S, heads, d), adjacent pairs; cos/sin (S, 1, d/2)."""
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def norm(module, x):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + module.eps) * module.weight


def block(m, x, cos, sin, bias, c=None, rows=None):
    """One transformer block; with `rows` only the first rows are returned."""
    at = m.attention
    if c is None:
        s1 = s2 = g1 = g2 = 1.0
    else:
        s1, g1, s2, g2 = m.adaLN_modulation(c).unsqueeze(1).chunk(4, 2)
        s1, s2, g1, g2 = 1 + s1, 1 + s2, g1.tanh(), g2.tanh()
    y = norm(m.attention_norm1, x) * s1
    if rows is None:
        q, k, v = F.linear(y, torch.cat((at.to_q.weight, at.to_k.weight, at.to_v.weight))).chunk(3, -1)
        cos_q, sin_q = cos, sin
    else:
        q = at.to_q(y[:, :rows])
        k, v = F.linear(y, torch.cat((at.to_k.weight, at.to_v.weight))).chunk(2, -1)
        x, cos_q, sin_q = x[:, :rows], cos[:rows], sin[:rows]
    q, k, v = (t.unflatten(-1, (at.heads, -1)) for t in (q, k, v))
    q = rotate_pairs(norm(at.norm_q, q), cos_q, sin_q).transpose(1, 2)
    k = rotate_pairs(norm(at.norm_k, k), cos, sin).transpose(1, 2)
    a = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias).softmax(-1) @ v.transpose(1, 2)
    x = x + g1 * norm(m.attention_norm2, at.to_out[0](a.transpose(1, 2).flatten(2)))
    f = m.feed_forward
    u, w = F.linear(norm(m.ffn_norm1, x) * s2, torch.cat((f.w1.weight, f.w3.weight))).chunk(2, -1)
    return x + g2 * norm(m.ffn_norm2, f.w2(F.silu(u) * w))


def dit_forward(dit, tables, latents, t, features, lengths):
    """latents (B,16,H,W); t (B) in [0,1], 0 = noise; features (B,32,C); lengths (B) real caption tokens."""
    cos, sin, bias = tables
    b, ch, hh, ww = latents.shape
    n = hh * ww // 4
    c = dit.t_embedder.mlp(dit.t_embedder.timestep_embedding(t * dit.t_scale, 256))

    x = latents.view(b, ch, hh // 2, 2, ww // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(b, n, 4 * ch)
    x = torch.cat((dit.all_x_embedder["2-1"](x), dit.x_pad_token.expand(b, 1, -1)), 1)
    for m in dit.noise_refiner:
        x = block(m, x, cos[: n + 1], sin[: n + 1], bias[: n + 1], c)

    e = dit.cap_embedder[1](norm(dit.cap_embedder[0], features))
    real = torch.arange(CAPTION_TOKENS).unsqueeze(0) < lengths.unsqueeze(1)
    e = torch.where(real.unsqueeze(-1), e, dit.cap_pad_token)
    for m in dit.context_refiner:
        e = block(m, e, cos[n + 1 :], sin[n + 1 :], bias[n + 1 :])

    x = torch.cat((x, e), 1)
    for m in dit.layers[:-1]:
        x = block(m, x, cos, sin, bias, c)
    x = block(dit.layers[-1], x, cos, sin, bias, c, rows=n)
    final = dit.all_final_layer["2-1"]
    x = F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + final.adaLN_modulation(c)).unsqueeze(1)
    x = final.linear(x)
    return x.view(b, hh // 2, ww // 2, 2, 2, ch).permute(0, 5, 1, 3, 2, 4).reshape(b, ch, hh, ww)


def text_forward(model, ids):
    """hidden_states[-2] of right-padded token ids (B,S); rows after the caption are meaningless."""
    x = model.embed_tokens(ids)
    d = model.config.head_dim
    s = ids.shape[1]
    angle = torch.arange(s)[:, None].float() * model.rotary_emb.inv_freq[None]
    cos = torch.cat((angle, angle), -1).cos().unsqueeze(1)
    sin = torch.cat((angle, angle), -1).sin().unsqueeze(1)
    mask = torch.full((s, s), float("-inf")).triu(1)

    def rms(m, y):
        return y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + m.variance_epsilon) * m.weight

    def rot(y):
        u, v = y.chunk(2, -1)
        return (y * cos + torch.cat((-v, u), -1) * sin).transpose(1, 2)

    for layer in model.layers[:-1]:
        at = layer.self_attn
        y = rms(layer.input_layernorm, x)
        q = rot(rms(at.q_norm, at.q_proj(y).unflatten(-1, (-1, d))))
        k = rot(rms(at.k_norm, at.k_proj(y).unflatten(-1, (-1, d))))
        v = at.v_proj(y).unflatten(-1, (-1, d)).transpose(1, 2)
        r = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(r, 1), v.repeat_interleave(r, 1)
        a = (q @ k.transpose(-1, -2) * d**-0.5 + mask).softmax(-1) @ v
        x = x + at.o_proj(a.transpose(1, 2).flatten(2))
        y = rms(layer.post_attention_layernorm, x)
        x = x + layer.mlp.down_proj(F.silu(layer.mlp.gate_proj(y)) * layer.mlp.up_proj(y))
    return x


@torch.no_grad()
def check(dit, text, ids, lengths, latents, t):
    """Largest relative difference to the reference classes."""
    tables = rope_tables(dit, *latents.shape[2:])
    fast_text = text_forward(text, ids)
    worst_text, features = 0.0, []
    for i, n in enumerate(lengths.tolist()):
        ref = text(input_ids=ids[i : i + 1, :n], output_hidden_states=True).hidden_states[-2][0]
        worst_text = max(worst_text, ((fast_text[i, :n] - ref).norm() / ref.norm()).item())
        features.append(ref)
    fast = dit_forward(dit, tables, latents, t, fast_text, lengths)
    ref = dit([x.unsqueeze(1) for x in latents], t, features, return_dict=False)[0]
    ref = torch.stack([r.squeeze(1) for r in ref])
    return worst_text, ((fast - ref).norm() / ref.norm()).item()
