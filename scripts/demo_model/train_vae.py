"""Train the small AutoencoderKL of the emoji demo model.

An 8x8 pixel block becomes 16 numbers.  Which 16 numbers is fixed beforehand: the
first 16 principal components of the blocks of all pictures, each divided by the
square root of its standard deviation (so that no channel dominates).  The
encoder learns to predict them, the decoder learns to paint the picture from
them.  This needs far fewer steps than learning both freely (a free start spent
many minutes with red and green painted as orange and brown), and the
transformer can be trained at the same time, because the latents are known.

Writes WORK/vae.pt (weights, shift and scaling factor, latents of all pictures).
The same command continues after an interruption (with a new schedule).
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from dataset import all_images

CONFIG = dict(
    in_channels=3,
    out_channels=3,
    down_block_types=["DownEncoderBlock2D"] * 4,
    up_block_types=["UpDecoderBlock2D"] * 4,
    block_out_channels=[16, 32, 64, 96],
    layers_per_block=2,
    latent_channels=16,
    norm_num_groups=8,
    sample_size=64,
    use_quant_conv=False,
    use_post_quant_conv=False,
)
OFFSET = 0.1  # added to the raw latents, so that shift_factor is not zero (as in the family)


def target_latents(images, channels=16):
    """Raw latents (N, 16, H/8, W/8) from the principal components of 8x8 blocks."""
    blocks = F.pixel_unshuffle(images, 8)  # (N, 192, h, w)
    flat = blocks.permute(0, 2, 3, 1).reshape(-1, blocks.shape[1]).double()
    flat = flat - flat.mean(0)
    _, _, basis = torch.linalg.svd(flat, full_matrices=False)
    basis = basis[:channels]
    basis = basis * basis.sum(1, keepdim=True).sign()  # a fixed sign
    z = flat @ basis.T
    z = z / z.std(0).sqrt() + OFFSET
    n, _, h, w = blocks.shape
    return z.float().view(n, h, w, channels).permute(0, 3, 1, 2).contiguous()


def loss_fn(y, x):
    """L1, L1 of horizontal and vertical differences (edges), squared error, squared colour error."""
    d = y - x
    edges = (d[..., :, 1:] - d[..., :, :-1]).abs().mean() + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
    colour = F.avg_pool2d(d[:, :2] - d[:, 1:], 2).pow(2).mean()
    return d.abs().mean() + 0.5 * edges + 2 * d.pow(2).mean() + colour


def psnr(y, x):
    mse = ((y.clamp(-1, 1) - x) / 2).pow(2).mean((1, 2, 3))
    return (-10 * mse.log10()).mean().item()


@torch.no_grad()
def encode(vae, images):
    return torch.cat([vae.encoder(b).chunk(2, 1)[0] for b in images.split(16)])


@torch.no_grad()
def decode(vae, raw):
    return torch.cat([vae.decoder(b) for b in raw.split(16)])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--minutes", type=float, default=20)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--noise", type=float, default=0.1, help="noise on the decoder input, in scaled units")
    p.add_argument("--encoder-every", type=int, default=3, help="train the encoder in every n-th step (0: never)")
    p.add_argument("--save-minutes", type=float, default=2)
    p.add_argument("--init", type=Path, help="start from the weights of another vae.pt")
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(a.threads)
    torch.manual_seed(int(time.time()))

    images = all_images()
    raw = target_latents(images)
    shift, scale = raw.mean().item(), 1.0 / raw.std().item()
    vae = AutoencoderKL(**CONFIG)
    samples, path = 0, a.work / "vae.pt"
    if path.exists() or a.init:
        saved = torch.load(path if path.exists() else a.init)
        vae.load_state_dict(saved["weights"])
        samples = saved.get("samples", 0)
    ema = copy.deepcopy(vae).requires_grad_(False)
    params = list(vae.parameters())
    opt = torch.optim.AdamW(params, a.lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    print(f"{len(images)} pictures, {sum(q.numel() for q in params)} parameters, shift {shift:.5f}, scale {scale:.5f}, "
          f"channel std {[round(v, 2) for v in (raw.std((0, 2, 3)) * scale).tolist()]}", flush=True)

    def save():
        torch.save({"weights": ema.state_dict(), "shift": shift, "scale": scale, "samples": samples,
                    "latents": (raw - shift) * scale}, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").rename(path)

    save()
    start, step, order, last_save = time.time(), 0, [], 0.0
    mean_rec = mean_enc = None
    while (used := time.time() - start) < a.minutes * 60:
        done = used / (a.minutes * 60)
        lr = a.lr * min(1, (step + 1) / 30) * (0.5 + 0.5 * math.cos(math.pi * done))
        for g in opt.param_groups:
            g["lr"] = max(lr, 1e-6)
        if len(order) < a.batch:
            order += torch.randperm(len(images)).tolist()
        idx, order = order[: a.batch], order[a.batch :]
        x, z = images[idx], raw[idx]
        amount = torch.rand(len(z), 1, 1, 1) * a.noise / scale
        rec = loss_fn(vae.decoder(z + amount * torch.randn_like(z)), x)
        loss = rec
        if a.encoder_every and step % a.encoder_every == 0:
            mean, logvar = vae.encoder(x).chunk(2, 1)
            enc = ((mean - z) * scale).pow(2).mean()
            loss = loss + enc + 0.001 * (logvar + 8).pow(2).mean()  # a small constant variance
            mean_enc = enc.item() if mean_enc is None else mean_enc + 0.05 * (enc.item() - mean_enc)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        step, samples = step + 1, samples + a.batch
        mean_rec = rec.item() if mean_rec is None else mean_rec + 0.03 * (rec.item() - mean_rec)
        with torch.no_grad():
            torch._foreach_lerp_(list(ema.parameters()), params, 1 - min(0.99, step / (step + 10)))
        if step % 25 == 0:
            print(f"step {step} t {used:.0f}s lr {lr:.2e} rec {mean_rec:.4f} enc {mean_enc or 0:.4f}", flush=True)
        if used - last_save > a.save_minutes * 60:
            last_save = used
            save()
    save()
    out = decode(ema, raw)
    means = encode(ema, images)
    print(f"final: {samples} samples; decoder: loss {loss_fn(out, images).item():.4f}, L1 {(out - images).abs().mean().item():.4f}, "
          f"PSNR {psnr(out, images):.2f} dB; encoder: RMS error {((means - raw) * scale).pow(2).mean().sqrt().item():.4f}; "
          f"round trip: PSNR {psnr(decode(ema, means), images):.2f} dB")


if __name__ == "__main__":
    main()
