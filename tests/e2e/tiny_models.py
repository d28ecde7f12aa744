"""Tiny models in the folders and layouts of the published ones, and pictures to feed them with."""

import gzip
import json
import os
import random
import shutil
import struct
import zlib
from pathlib import Path

GOLDEN = Path(os.environ["GESSO_GOLDEN_DATA"])
MODELS = GOLDEN / "models"

TURBO, BASE, OMNI = "Tongyi-MAI/Z-Image-Turbo", "Tongyi-MAI/Z-Image", "Tongyi-MAI/Z-Image-Omni-Base"
CONTROL = "PAI/Z-Image-Turbo-Fun-Controlnet-Union-2.1"
CONTROL_FILES = ("Union-2.1", "Union-2.1-8steps", "Tile-2.1-8steps")
ENCODERS = "DiffSynth-Studio/General-Image-Encoders"


def config_of(case, component):
    return json.loads((GOLDEN / case / "case.json").read_text())["weights"][component]["config"]


def write_png(path, width, height, colour):
    """`colour(x, y)` gives the bytes of a pixel."""
    rows = b"".join(b"\0" + b"".join(bytes(colour(x, y)) for x in range(width)) for y in range(height))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
              (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks))


def write_safetensors(path, shapes, seed=0, scale=0.05):
    """Small random numbers, float32."""
    numbers = random.Random(seed)
    header, data = {}, bytearray()
    for name, shape in shapes.items():
        count = 1
        for extent in shape:
            count *= extent
        begin = len(data)
        data += struct.pack(f"<{count}f", *(numbers.uniform(-scale, scale) for _ in range(count)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_header(path):
    """The JSON of a safetensors file, and the bytes behind it."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + length]), data[8 + length:]


def read_safetensors(path):
    """Name -> type, shape and bytes."""
    header, data = read_header(path)
    return {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
            for name, entry in header.items() if name != "__metadata__"}


def read_bf16(path):
    """Name -> shape and numbers, as float32 bytes, of a safetensors file in bf16."""
    tensors = {}
    for name, (dtype, shape, data) in read_safetensors(path).items():
        assert dtype == "BF16", name
        wide = bytearray(2 * len(data))
        wide[2::4], wide[3::4] = data[::2], data[1::2]
        tensors[name] = (shape, bytes(wide))
    return tensors


def q8_0(wide):
    """Blocks of 32 numbers: an fp16 scale and bytes."""
    numbers = struct.unpack(f"<{len(wide) // 4}f", wide)
    packed = bytearray()
    for at in range(0, len(numbers), 32):
        block = numbers[at:at + 32]
        scale = struct.unpack("<e", struct.pack("<e", max(map(abs, block)) / 127))[0]
        packed += struct.pack("<e32b", scale, *(round(x / scale) if scale else 0 for x in block))
    return bytes(packed)


def write_gguf(path, tensors, quantised):
    """A GGUF file with the same names: matrices in Q8_0 where rows allow it, if wanted, the rest float32."""
    def text(string):
        return struct.pack("<Q", len(string)) + string.encode()
    infos, data = b"", bytearray()
    for name, (shape, wide) in tensors.items():
        small = quantised and len(shape) == 2 and shape[1] % 32 == 0
        infos += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), 8 if small else 0, len(data))
        data += q8_0(wide) if small else wide
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 1) + text("general.architecture")
    head += struct.pack("<I", 8) + text("lumina2") + infos
    path.write_bytes(head + bytes(-len(head) % 32) + data)


def lora_shapes(dit, rank, targets=("attention.to_q", "feed_forward.w2"), blocks=("layers.0",)):
    """A LoRA in PEFT's names for a transformer of this config."""
    ffn = dit["dim"] // 3 * 8 if dit["dim"] % 3 == 0 else int(dit["dim"] / 3 * 8)
    shapes = {}
    for block in blocks:
        for target in targets:
            into, out = dit["dim"], dit["dim"]
            into = ffn if target.endswith("w2") else into
            shapes[f"{block}.{target}.lora_A.weight"] = [rank, into]
            shapes[f"{block}.{target}.lora_B.weight"] = [out, rank]
    return shapes


def image2lora_shapes(dit, features, inner=8, rank=4):
    """The decoder of i2L v1 for a transformer of this config."""
    dim, ffn = dit["dim"], int(dit["dim"] / 3 * 8)
    shapes = {}
    for stack, count in (("layers", dit["n_layers"]), ("context_refiner", dit["n_refiner_layers"]),
                         ("noise_refiner", dit["n_refiner_layers"])):
        groups = [(0, [(dim, dim)] * 4), (count, [(dim, ffn), (ffn, dim), (dim, ffn)])]
        for offset, linears in groups:
            for block in range(count):
                for place, (into, out) in enumerate(linears):
                    prefix = f"{stack}_lora.blocks.{offset + block}.layers.{place}"
                    for proj, extent in (("proj_a", into), ("proj_b", out)):
                        shapes[f"{prefix}.{proj}.proj_in.weight"] = [inner, features]
                        shapes[f"{prefix}.{proj}.proj_out.weight"] = [rank * extent, inner]
    return shapes


def place(folder, model_id, name, source, config=None):
    path = folder / model_id / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, path)
    if config is not None:
        (path.parent / "config.json").write_text(json.dumps(config))


def make_models(folder):
    """Every model of the family, as `local_model_path` wants it."""
    pipeline, omni = "pipeline/t2i", "pipeline/edit_one_image"
    base_dit, omni_dit = config_of(pipeline, "dit"), config_of(omni, "dit")
    dit = next(iter((GOLDEN / "models/dit").glob("*.safetensors")))
    for model in (TURBO, BASE):
        place(folder, model, "transformer/model.safetensors", dit, base_dit)
    place(folder, OMNI, "transformer/model.safetensors", MODELS / "omni/diffusers.safetensors", omni_dit)
    place(folder, OMNI, "siglip/model.safetensors", MODELS / "siglip2_428m/model.safetensors",
          config_of(omni, "siglip2_428m"))
    place(folder, TURBO, "text_encoder/model.safetensors", MODELS / "text_encoder/model.safetensors",
          config_of(pipeline, "text_encoder"))
    place(folder, TURBO, "vae/diffusion_pytorch_model.safetensors",
          MODELS / "vae/diffusion_pytorch_model.safetensors", config_of(pipeline, "vae"))
    tokenizer = folder / TURBO / "tokenizer"
    tokenizer.mkdir()
    with gzip.open(GOLDEN / "assets/qwen3/tokenizer.json.gz") as packed:
        (tokenizer / "tokenizer.json").write_bytes(packed.read())
    for name in CONTROL_FILES:
        place(folder, CONTROL, f"Z-Image-Turbo-Fun-Controlnet-{name}.safetensors",
              MODELS / "controlnet/model.safetensors", config_of("pipeline/controlnet", "controlnet"))
    encoders = {"siglip2_g384": "SigLIP2-G384", "dinov3": "DINOv3-7B"}
    for component, name in encoders.items():
        place(folder, ENCODERS, f"{name}/model.safetensors", MODELS / component / "model.safetensors",
              config_of("i2l/encode", component))
    features = sum(config_of("i2l/encode", component)["hidden_size"] for component in encoders)
    for model, dit_config in (("Z-Image-i2L", base_dit), ("Z-Image-Omni-Base-i2L", omni_dit)):
        write_safetensors(folder / "DiffSynth-Studio" / model / "model.safetensors",
                          image2lora_shapes(dit_config, features), scale=0.3)
    place(folder, "DiffSynth-Studio/ZImage-i2L-v2", "model.safetensors",
          MODELS / "image2lora_v2/model.safetensors")


def make_pictures(folder, size):
    """What the inference samples read from `data`."""
    def stripes(shift):
        return lambda x, y: ((x * 4 + shift) % 256, (y * 3) % 256, (x * y + shift) % 256)
    half = lambda x, y: (255, 255, 255) if x < size // 2 else (0, 0, 0)
    write_png(folder / "inpaint/mask.png", size, size, half)
    names = ["image_Z-Image-Omni-Base", "depth/image_1", "inpaint/image_1", "low_res"]
    names += [f"style/1/{i}" for i in range(6)] + [f"multi_input_{i}" for i in range(4)]
    for number, name in enumerate(names):
        write_png(folder / f"{name}.png", size, size, stripes(20 * number))
    for i in range(4):
        write_png(folder / f"grey_{i}.png", size, size, lambda x, y: (128, 128, 128))
