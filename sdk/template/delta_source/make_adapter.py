"""Makes adapter.safetensors for the demo: an update of rank 1 of one weight. Nothing but Python is needed."""

import json
import struct
from pathlib import Path

NAME, WIDTH = "layers.0.attention.to_q", 192

header, data = {}, b""
for part, shape in (("down", [1, WIDTH]), ("up", [WIDTH, 1])):
    start = len(data)
    data += struct.pack(f"<{WIDTH}f", *([0.05] * WIDTH))
    header[f"{NAME}.{part}"] = {"dtype": "F32", "shape": shape, "data_offsets": [start, len(data)]}
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
Path(__file__).with_name("adapter.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
