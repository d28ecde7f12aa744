"""What scripts/check-peers, check-diffsynth and check-stable-diffusion-cpp share: runs of gesso, and comparisons that tell what was compared."""
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image

PROGRAM = sys.argv[1]
EMOJI = Path(__file__).resolve().parent.parent / "samples/emoji"


def convert(*arguments):
    subprocess.run([PROGRAM, "convert", *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def same(found, expected, what):
    names = found.keys() == expected.keys()
    assert names, f"{what}: {sorted(found.keys() ^ expected.keys())[:5]}"
    for name, value in expected.items():
        assert torch.equal(found[name], value), f"{what}: {name} differs"
    print(f"{what}: {len(expected)} tensors, bit for bit")


def train(folder, base, *settings):
    """Two steps of a recipe of the emoji model on two plain pictures; the checkpoint."""
    out = folder / base
    for name in ("red", "blue"):
        Image.new("RGB", (32, 32), name).save(folder / f"{name}.png")
    (folder / "metadata.csv").write_text("image,prompt\nred.png,a red ball\nblue.png,a blue ball\n")
    words = [f"dataset_base_path={folder}", f"dataset_metadata_path={folder / 'metadata.csv'}", f"output_path={out}",
             "height=32", "width=32", "batch_size=1", "dataset_repeat=1", "max_steps=2", "save_steps=2", "ema_decay=0",
             "validation_split=0", "validation_steps=0", "sample_steps=0", "lr_warmup_steps=0", *settings]
    subprocess.run([PROGRAM, "train", EMOJI / f"train/{base}.toml", "--quiet",
                    *(word for text in words for word in ("--set", f"train.{text}"))],
                   check=True, stdout=subprocess.DEVNULL)
    return out / "step-2.safetensors"


def near(found, expected, what):
    assert expected, what
    worst = max((found[name] - value).abs().max().item() for name, value in expected.items())
    assert worst < 1e-5, f"{what}: differ by {worst}"
    print(f"{what}: {len(expected)} weights, largest difference {worst:.1g}")
