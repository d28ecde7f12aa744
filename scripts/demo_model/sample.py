"""Reference sampler: draw one picture with the diffusers / transformers classes.

    python sample.py --model samples/emoji --prompt "a red apple" --out apple.png

Weights are read as bf16 and computed in float32.  Noise is
torch.randn((1, 16, height/8, width/8)) of a CPU generator with the given seed.
Several --prompt options give a contact sheet.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ZImageTransformer2DModel
from PIL import Image
from safetensors.torch import load_file
from transformers import Qwen3Config, Qwen3Model

import tokenizer as tokenizer_module
from dataset import contact_sheet


class Sampler:
    def __init__(self, root: Path):
        self.tok = tokenizer_module.load(root / "tokenizer")

        def config(folder):
            c = json.loads((root / folder / "config.json").read_text())
            return {k: v for k, v in c.items() if not k.startswith("_") and k not in ("latent_rgb", "torch_dtype")}

        def load(model, file):
            weights = {k.removeprefix("model."): v.float() for k, v in load_file(root / file).items()}
            model.load_state_dict(weights)
            return model.float().eval().requires_grad_(False)

        self.vae_config = config("vae")
        self.vae = load(AutoencoderKL(**self.vae_config), "vae/diffusion_pytorch_model.safetensors")
        self.dit = load(ZImageTransformer2DModel(**config("transformer")), "transformer/diffusion_pytorch_model.safetensors")
        text = Qwen3Model(Qwen3Config(**config("text_encoder"), attn_implementation="eager"))
        self.text = load(text, "text_encoder/model.safetensors")

    def features(self, prompt):
        ids = torch.tensor([self.tok.encode(tokenizer_module.chat(prompt)).ids])
        return self.text(input_ids=ids, output_hidden_states=True).hidden_states[-2][0]

    @torch.no_grad()
    def latents(self, prompt, negative="", steps=20, cfg=1.0, seed=0, height=64, width=64, shift=3.0):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn((1, 16, height // 8, width // 8), generator=generator)
        u = torch.linspace(1, 0, steps + 1)
        sigmas = shift * u / (1 + (shift - 1) * u)
        conditions = [self.features(prompt)] + ([self.features(negative)] if cfg != 1.0 else [])
        for s, s_next in zip(sigmas[:-1], sigmas[1:]):
            v = [-self.dit([x[0].unsqueeze(1)], (1 - s).view(1), [c], return_dict=False)[0][0].squeeze(1)
                 for c in conditions]
            v = v[0] if cfg == 1.0 else v[1] + cfg * (v[0] - v[1])
            x = x + v * (s_next - s)
        return x

    @torch.no_grad()
    def picture(self, latents):
        z = latents / self.vae_config["scaling_factor"] + self.vae_config["shift_factor"]
        image = self.vae.decode(z, return_dict=False)[0][0]
        return Image.fromarray(((image.clamp(-1, 1) + 1) * 127.5).to(torch.uint8).permute(1, 2, 0).numpy())

    def __call__(self, prompt, **kw):
        return self.picture(self.latents(prompt, **kw))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", type=Path, required=True, help="the folder samples/emoji")
    p.add_argument("--prompt", action="append", required=True)
    p.add_argument("--negative", default="")
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--cfg", type=float, default=1.0)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--height", type=int, default=64)
    p.add_argument("--width", type=int, default=64)
    p.add_argument("--scale", type=int, default=1, help="enlarge the pixels in the PNG")
    p.add_argument("--columns", type=int, default=6)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    sampler = Sampler(a.model)
    pictures = [sampler(t, negative=a.negative, steps=a.steps, cfg=a.cfg, seed=a.seed, height=a.height, width=a.width)
                for t in a.prompt]
    if len(pictures) == 1:
        w, h = pictures[0].size
        pictures[0].resize((w * a.scale, h * a.scale), Image.NEAREST).save(a.out)
    else:
        contact_sheet(pictures, a.columns, a.scale).save(a.out)


if __name__ == "__main__":
    main()
