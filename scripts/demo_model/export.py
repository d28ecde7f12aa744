"""Write the trained models as a Z-Image model folder (bf16 safetensors, diffusers layout)."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

import train_vae
from dataset import all_images
from train_dit import DIT, TEXT


def bf16(state):
    return {k: v.detach().to(torch.bfloat16).contiguous().clone() for k, v in state.items()}


def write(folder: Path, name: str, weights: dict, config: dict):
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / name, metadata={"format": "pt"})
    (folder / name).chmod(0o644)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(f"{folder.name}/{name}: {len(weights)} tensors, {sum(v.numel() for v in weights.values())} parameters, "
          f"{(folder / name).stat().st_size} bytes")


def latent_rgb(latents, images):
    """Least squares: scaled latents (16) -> mean RGB in [-1, 1] of the 8x8 pixel block, plus bias."""
    rgb = torch.nn.functional.avg_pool2d(images, 8).permute(0, 2, 3, 1).reshape(-1, 3).double()
    z = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1]).double()
    z1 = torch.cat((z, torch.ones(len(z), 1, dtype=torch.float64)), 1)
    w = torch.linalg.lstsq(z1, rgb).solution
    rms = (z1 @ w - rgb).pow(2).mean().sqrt().item()
    print(f"latent_rgb: RMS error {rms:.4f} (RGB range -1..1)")
    table = [[round(v, 5) for v in row] for row in w.tolist()]
    return {"weight": table[:-1], "bias": table[-1]}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    torch.set_num_threads(1)
    vae = torch.load(a.work / "vae.pt")
    dit = torch.load(a.work / "dit.pt")

    config = {"_class_name": "AutoencoderKL", "_diffusers_version": "0.42.1", **train_vae.CONFIG,
              "act_fn": "silu", "force_upcast": False, "mid_block_add_attention": True,
              "scaling_factor": vae["scale"], "shift_factor": vae["shift"],
              "latent_rgb": latent_rgb(vae["latents"], all_images())}
    write(a.out / "vae", "diffusion_pytorch_model.safetensors", bf16(vae["weights"]), config)

    config = {"_class_name": "ZImageTransformer2DModel", "_diffusers_version": "0.42.1", **DIT}
    write(a.out / "transformer", "diffusion_pytorch_model.safetensors", bf16(dit["ema_dit"]), config)

    text = {"model." + k: v for k, v in bf16(dit["ema_text"]).items()}
    tokenizer = json.loads((a.work / "tokenizer" / "tokenizer_config.json").read_text())
    ids = {v["content"]: int(k) for k, v in tokenizer["added_tokens_decoder"].items()}
    config = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
              "vocab_size": text["model.embed_tokens.weight"].shape[0], **TEXT,
              "hidden_act": "silu", "attention_dropout": 0.0, "rope_scaling": None, "use_sliding_window": False,
              "sliding_window": None, "bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"],
              "pad_token_id": ids["<|endoftext|>"], "use_cache": True, "torch_dtype": "bfloat16"}
    write(a.out / "text_encoder", "model.safetensors", text, config)

    (a.out / "tokenizer").mkdir(parents=True, exist_ok=True)
    for f in (a.work / "tokenizer").iterdir():
        shutil.copyfile(f, a.out / "tokenizer" / f.name)
    print(f"samples seen {dit['samples']}, mean loss {dit['mean_loss']:.4f}")


if __name__ == "__main__":
    main()
