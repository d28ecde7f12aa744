"""Makes album.safetensors: latents and text features of a few captions, by the demo's own reference.

    PYTHONPATH=scripts/demo_model python samples/plugins/album/make_album.py   (torch, diffusers, transformers)
"""

from pathlib import Path

import torch
from sample import Sampler
from safetensors.torch import save_file

HERE = Path(__file__).parent
CAPTIONS = ["a red apple", "a panda face", "a sunflower", "a rocket", "a house building", "a rainbow", "a ghost", "a pizza slice"]

if __name__ == "__main__":
    torch.set_num_threads(1)
    sampler = Sampler(HERE / "../../emoji")
    with torch.no_grad():
        pictures = torch.stack([sampler.latents(caption, steps=8, seed=42)[0] for caption in CAPTIONS])
        features = torch.stack([sampler.features(caption).mean(0) for caption in CAPTIONS])
    middle = features.mean(0)
    tensors = {"pictures": pictures, "captions": features - middle, "middle": middle}
    save_file({name: tensor.bfloat16().contiguous() for name, tensor in tensors.items()}, HERE / "album.safetensors")
