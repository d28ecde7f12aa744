"""Makes the images of this folder with Pillow; tests/unit/image/decode_test.cpp reads them.

Each <name>.<format> has its right answer beside it: <name>.expected.png, 8-bit RGB or RGBA.
Usage: python make.py (Pillow 13.0.0 made the committed files).
"""
import struct
import zlib
from pathlib import Path

from PIL import Image, ImageOps

HERE = Path(__file__).parent
W, H = 20, 14
rgb = Image.new("RGB", (W, H))
rgb.putdata([(x * 12, y * 18, (x + y) * 7) for y in range(H) for x in range(W)])
rgba = rgb.copy()
rgba.putalpha(Image.frombytes("L", (W, H), bytes((x * 13) % 256 for y in range(H) for x in range(W))))


def keep(name, made, expected, **options):
    made.save(HERE / name, **options)
    expected(HERE / name).save(HERE / (name.split(".")[0] + ".expected.png"))


def as_rgb(path):
    return Image.open(path).convert("RGB")


def as_rgba(path):
    return Image.open(path).convert("RGBA")


def png16(name, color_type, samples):
    """Pillow writes no 16-bit RGB; a PNG is quickly made by hand."""
    rows = b"".join(b"\0" + b"".join(struct.pack(">H", v) for v in row) for row in samples)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", W, H, 16, color_type, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (HERE / f"{name}.png").write_bytes(data)


wide = [[v for x in range(W) for v in (x * 3000 + 77, y * 4000 + 200, 65535 - x * 999)] for y in range(H)]
png16("rgb16", 2, wide)
Image.frombytes("RGB", (W, H), bytes(v >> 8 for row in wide for v in row)).save(HERE / "rgb16.expected.png")
gray = [[x * 3000 + y * 500 for x in range(W)] for y in range(H)]
png16("gray16", 0, gray)
Image.frombytes("L", (W, H), bytes(v >> 8 for r in gray for v in r)).convert("RGB").save(HERE / "gray16.expected.png")

keep("gray.png", rgb.convert("L"), as_rgb)
keep("gray_alpha.png", rgba.convert("LA"), as_rgba)
keep("bilevel.png", rgb.convert("1"), as_rgb)
keep("palette.png", rgb.quantize(16), as_rgb)
keep("palette_alpha.png", rgb.quantize(16), as_rgba, transparency=3)
keep("rgba.png", rgba, as_rgba)
keep("color.jpg", rgb, as_rgb, quality=90)
keep("progressive.jpg", rgb, as_rgb, quality=90, progressive=True)
keep("grayscale.jpg", rgb.convert("L"), as_rgb, quality=90)
keep("cmyk.jpg", rgb.convert("CMYK"), as_rgb, quality=95)
keep("lossy.webp", rgb, as_rgb, quality=90)
keep("lossless.webp", rgb, as_rgb, lossless=True)
keep("alpha.webp", rgba, as_rgba, lossless=True, exact=True)
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    keep(f"turned_{orientation}.jpg", rgb, lambda p: ImageOps.exif_transpose(Image.open(p)), quality=90, exif=exif)
Image.new("RGB", (W, H)).save(HERE / "animated.webp", save_all=True, append_images=[rgb], duration=100)
