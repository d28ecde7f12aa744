"""Safetensors in plain Python, and random numbers to begin with."""

import json
import random
import struct
from array import array


def read(path):
    """Each tensor by name: type, shape, bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8:8 + length]), memoryview(data)[8 + length:]
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], body[slice(*t["data_offsets"])]) for name, t in header.items()}


def write(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def bf16(values):
    """The bytes of an iterable of numbers, cut off after 16 bits (little endian)."""
    wide = array("f", values).tobytes()
    narrow = bytearray(len(wide) // 2)
    narrow[0::2], narrow[1::2] = wide[2::4], wide[3::4]
    return bytes(narrow)


def numbers(tensor):
    """The values of a tensor of `read`."""
    dtype, _, data = tensor
    if dtype == "F32":
        return array("f", bytes(data))
    wide = bytearray(2 * len(data))
    wide[2::4], wide[3::4] = data[0::2], data[1::2]
    return array("f", bytes(wide))


def count(shape):
    total = 1
    for extent in shape:
        total *= extent
    return total


def constant(shape, value):
    return "BF16", shape, bf16([value] * count(shape))


def uniform(shape, bound):
    return "BF16", shape, bf16(random.uniform(-bound, bound) for _ in range(count(shape)))


def normal(shape, deviation):
    return "BF16", shape, bf16(random.gauss(0, deviation) for _ in range(count(shape)))
