"""Train the transformer and the text encoder of the emoji demo model together.

Needs WORK/vae.pt (train_vae.py).  Writes WORK/tokenizer/, WORK/dit.pt (resumable
checkpoint with EMA weights) and contact sheets WORK/samples_*.png.
The step size is constant for 65% of the time budget and then falls
to zero on a cosine.  After an interruption the same command continues.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ZImageTransformer2DModel
from PIL import Image
from transformers import Qwen3Config, Qwen3Model

import tokenizer as tokenizer_module
import train_vae
from dataset import CaptionSampler, contact_sheet, emoji_list
from fast_forward import CAPTION_TOKENS, check, dit_forward, rope_tables, text_forward

DIT = dict(
    all_patch_size=[2],
    all_f_patch_size=[1],
    in_channels=16,
    dim=192,
    n_layers=6,
    n_refiner_layers=1,
    n_heads=3,
    n_kv_heads=3,
    norm_eps=1e-5,
    qk_norm=True,
    cap_feat_dim=128,
    rope_theta=256.0,
    t_scale=1000.0,
    axes_dims=[16, 24, 24],
    axes_lens=[1024, 512, 512],
)
TEXT = dict(
    hidden_size=128,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=32,
    intermediate_size=256,
    max_position_embeddings=1024,
    rms_norm_eps=1e-6,
    rope_theta=1000000,
    tie_word_embeddings=True,
    attention_bias=False,
)
PREVIEW = ["a red apple", "a green apple", "a banana", "a strawberry", "a cat", "a dog face", "a pizza slice", "a cup of coffee",
           "a sunflower", "a rocket", "fire", "a star", "a red heart", "a purple heart", "a tree", "a house", "a car",
           "a football", "a guitar", "a fish", "an owl", "a fox", "a penguin", "a rainbow"]


def new_models(vocab: int):
    dit = ZImageTransformer2DModel(**DIT)
    text = Qwen3Model(Qwen3Config(vocab_size=vocab, attn_implementation="eager", **TEXT))
    with torch.no_grad():
        for block in [*dit.noise_refiner, *dit.layers]:  # start with open, equal gates and no scaling
            lin = block.adaLN_modulation[0]
            lin.weight.mul_(0.1)
            lin.bias.view(4, -1).copy_(torch.tensor([0.0, 0.4, 0.0, 0.4])[:, None].expand(4, dit.dim))
        final = dit.all_final_layer["2-1"]
        for p in (final.linear.weight, final.linear.bias, *final.adaLN_modulation.parameters()):
            p.zero_()
        dit.x_pad_token.normal_(0, 0.02)
        dit.cap_pad_token.normal_(0, 0.02)
        text.embed_tokens.weight.normal_(0, 0.5)
    return dit, text


def make_encoder(tok):
    pad = tok.token_to_id(tokenizer_module.PAD)
    cache = {}

    def encode(prompts):
        rows = []
        for p in prompts:
            if p not in cache:
                cache[p] = tok.encode(tokenizer_module.chat(p)).ids
                assert len(cache[p]) <= CAPTION_TOKENS, p
            rows.append(cache[p])
        ids = torch.tensor([r + [pad] * (CAPTION_TOKENS - len(r)) for r in rows])
        return ids, torch.tensor([len(r) for r in rows])

    return encode


def schedule(steps: int, shift: float = 3.0):
    u = torch.linspace(1, 0, steps + 1)
    return shift * u / (1 + (shift - 1) * u)


@torch.no_grad()
def sample(dit, text, encode, tables, prompts, steps=20, cfg=1.0, seed=0, size=8):
    """Euler sampling in float32; returns scaled latents."""
    noise = [torch.randn((1, 16, size, size), generator=torch.Generator().manual_seed(seed)) for _ in prompts]
    x = torch.cat(noise)
    ids, lengths = encode(prompts)
    features = text_forward(text, ids)
    ids, neg_lengths = encode([""] * len(prompts))
    negative = text_forward(text, ids)
    sigmas = schedule(steps)
    for s, s_next in zip(sigmas[:-1], sigmas[1:]):
        t = (1 - s).expand(len(x))
        v = -dit_forward(dit, tables, x, t, features, lengths)
        if cfg != 1.0:
            n = -dit_forward(dit, tables, x, t, negative, neg_lengths)
            v = n + cfg * (v - n)
        x = x + v * (s_next - s)
    return x


def to_pictures(path, latents):
    saved = torch.load(path)
    vae = AutoencoderKL(**train_vae.CONFIG)
    vae.load_state_dict(saved["weights"])
    images = train_vae.decode(vae, latents / saved["scale"] + saved["shift"])
    images = ((images.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(i) for i in images]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--minutes", type=float, default=65)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--lr", type=float, default=1.5e-3)
    p.add_argument("--ema", type=float, default=0.998)
    p.add_argument("--caption-dropout", type=float, default=0.05)
    p.add_argument("--save-minutes", type=float, default=8)
    p.add_argument("--compile", action="store_true", help="torch.compile the training step")
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)

    saved = torch.load(a.work / "vae.pt")
    latents = saved["latents"]
    keep = [i for i, e in enumerate(emoji_list()) if not e.vae_only]
    emojis, latents = [emoji_list()[i] for i in keep], latents[keep]
    tok_dir = a.work / "tokenizer"
    tok = tokenizer_module.load(tok_dir) if tok_dir.exists() else tokenizer_module.build(tok_dir)
    encode = make_encoder(tok)

    dit, text = new_models(tok.get_vocab_size())
    ids, lengths = encode(["a red apple", "", "a slice of pizza", "an owl"])
    probe = copy.deepcopy(dit)  # the final layer starts at zero: fill it for the comparison
    probe.all_final_layer["2-1"].linear.weight.data.normal_(0, 0.1)
    print("difference to the reference classes (text, transformer):",
          check(probe, text, ids, lengths, latents[:4], torch.rand(4)))
    ema_dit, ema_text = copy.deepcopy(dit).requires_grad_(False), copy.deepcopy(text).requires_grad_(False)
    params, ema_params = [*dit.parameters(), *text.parameters()], [*ema_dit.parameters(), *ema_text.parameters()]
    opt = torch.optim.AdamW(params, a.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    print(f"{len(emojis)} pictures, vocabulary {tok.get_vocab_size()}, parameters: transformer "
          f"{sum(q.numel() for q in dit.parameters())}, text encoder {sum(q.numel() for q in text.parameters())}")

    step, used, mean_loss = 0, 0.0, 1.0
    checkpoint = a.work / "dit.pt"
    if checkpoint.exists():
        c = torch.load(checkpoint)
        dit.load_state_dict(c["dit"]), text.load_state_dict(c["text"]), opt.load_state_dict(c["opt"])
        ema_dit.load_state_dict(c["ema_dit"]), ema_text.load_state_dict(c["ema_text"])
        step, used, mean_loss = c["step"], c["seconds"], c["mean_loss"]
        torch.manual_seed(step)
        print(f"resuming at step {step}, {used:.0f} s")

    tables = rope_tables(dit, *latents.shape[2:])
    captions = CaptionSampler(emojis, seed=step)

    def loss_fn(x0, noise, sigma, ids, lengths):
        s = sigma[:, None, None, None]
        pred = dit_forward(dit, tables, (1 - s) * x0 + s * noise, 1 - sigma, text_forward(text, ids), lengths)
        return (pred + (noise - x0)).pow(2).mean()  # the network predicts the negative velocity

    compiled = torch.compile(loss_fn) if a.compile else loss_fn

    def save():
        torch.save({"dit": dit.state_dict(), "text": text.state_dict(), "opt": opt.state_dict(),
                    "ema_dit": ema_dit.state_dict(), "ema_text": ema_text.state_dict(),
                    "step": step, "samples": step * a.batch, "seconds": used, "mean_loss": mean_loss},
                   checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").rename(checkpoint)
        z = sample(ema_dit, ema_text, encode, tables, PREVIEW, steps=16)
        contact_sheet(to_pictures(a.work / "vae.pt", z), 12, 1).save(a.work / f"samples_{step:06d}.png")

    if a.compile:  # compile before the clock starts
        ids, lengths = encode(["a red apple"] * a.batch)
        compiled(latents[: a.batch], latents[: a.batch], torch.rand(a.batch), ids, lengths).backward()
    budget, order = a.minutes * 60, []
    start = time.time() - used
    last_save = used
    while used < budget:
        done = used / budget
        lr = a.lr * min(1, (step + 1) / 100) * (1 if done < 0.65 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.65) / 0.35))
        for g in opt.param_groups:
            g["lr"] = max(lr, 1e-6)
        if len(order) < a.batch:
            order += torch.randperm(len(emojis)).tolist()
        idx, order = order[: a.batch], order[a.batch :]
        ids, lengths = encode([captions(i, a.caption_dropout) for i in idx])
        u = (torch.randperm(a.batch) + torch.rand(a.batch)) / a.batch  # stratified
        sigma = 3 * u / (1 + 2 * u)
        loss = compiled(latents[idx], torch.randn(a.batch, *latents.shape[1:]), sigma, ids, lengths)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(ema_params, params, 1 - min(a.ema, (1 + step) / (20 + step)))
        mean_loss += (loss.item() - mean_loss) * max(0.01, 1 / step)
        used = time.time() - start
        if step % 100 == 0:
            print(f"step {step} samples {step * a.batch} t {used:.0f}s lr {lr:.2e} loss {mean_loss:.4f}", flush=True)
        if used - last_save > a.save_minutes * 60:
            last_save = used
            save()
    save()
    print(f"final: {step * a.batch} samples, mean loss {mean_loss:.4f}")


if __name__ == "__main__":
    main()
