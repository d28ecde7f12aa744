"""The pictures and captions of the emoji demo model.

Pictures: single-code-point emoji from the Noto Color Emoji bitmap font,
composited on white, padded to a square and resized to 64x64 RGB.
Captions: the Unicode character name in lower case plus a few hand-written
aliases (for example "soccer ball" -> "football"), wrapped in short templates.
"""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass
from pathlib import Path

SIZE = 64
FONT_SIZE = 109  # the only bitmap strike in the font
FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"  # Debian: fonts-noto-color-emoji

# One line per picture: code point (hex) | names, best first.
# "*" stands for the lower-cased Unicode name.  A name that starts with "~" takes
# no article ("~grapes": "grapes", never "a grapes").  Pictures that start with "-"
# are used for the VAE only, not for the transformer: to give the time to the rest.
TABLE = """
1F34E | *
1F34F | *
1F34A | orange fruit | tangerine | ~orange fruit
1F34B | *
1F34C | *
-1F34D | *
-1F347 | ~*
1F349 | *
-1F348 | *
-1F350 | *
-1F351 | *
1F352 | ~* | ~two cherries
1F353 | *
-1F95D | kiwi | kiwi fruit
-1F965 | *
-1F951 | *
-1F345 | *
-1F346 | eggplant | aubergine
1F955 | *
1F33D | corn | ear of maize | corn cob | ~corn
-1F336 | chili pepper | hot pepper
-1F952 | *
-1F966 | ~*
1F344 | *
-1F330 | *
-1F954 | *
-1F9C5 | *
-1F35E | ~*  | loaf of bread
-1F950 | *
-1F968 | *
-1F95E | ~*
-1F9C0 | ~* | ~cheese | cheese wedge
1F354 | * | burger
-1F35F | ~*
1F355 | pizza slice | slice of pizza | ~pizza
-1F32D | *
-1F32E | *
-1F373 | fried egg | ~cooking
-1F95A | *
-1F363 | ~*
-1F366 | soft ice cream | ice cream cone
1F369 | *
-1F36A | *
-1F382 | *
-1F370 | shortcake | slice of cake | cake
-1F36B | * | ~chocolate
-1F36C | candy | sweet
-1F36D | *
-1F37F | ~*
2615  | * | cup of coffee | coffee cup | ~coffee
-1F375 | cup of green tea | ~green tea
-1F37A | * | glass of beer
-1F377 | * | glass of wine
-1F95B | *
1F436 | * | dog
1F431 | * | cat
-1F42D | * | mouse
-1F439 | * | hamster
-1F430 | * | rabbit
1F98A | * | fox
-1F43B | * | bear
1F43C | * | panda
-1F428 | * | koala
-1F42F | * | tiger
-1F981 | * | lion
-1F42E | * | cow
-1F437 | * | pig
1F438 | * | frog
-1F435 | * | monkey
-1F414 | *
1F427 | *
1F426 | *
-1F424 | * | chick
-1F986 | *
-1F985 | *
1F989 | *
-1F43A | * | wolf
-1F434 | * | horse
-1F984 | * | unicorn
-1F41D | * | bee
-1F41B | * | caterpillar
1F98B | *
-1F40C | *
-1F41E | * | ladybird | ladybug
-1F577 | *
-1F422 | *
-1F40D | *
-1F419 | *
-1F980 | *
-1F420 | *
1F41F | *
-1F42C | *
1F433 | * | whale
-1F988 | *
-1F418 | *
-1F411 | *
-1F994 | *
-1F490 | * | bouquet of flowers
-1F337 | *
1F339 | * | red rose
1F33B | *
-1F33C | blossom | yellow flower
-1F338 | *
-1F33A | *
-1F340 | * | green clover
-1F341 | *
-1F332 | * | fir tree
1F333 | * | tree
-1F334 | *
1F335 | *
-1F384 | *
1F697 | * | car | red car
-1F695 | *
-1F699 | recreational vehicle | blue car
-1F68C | *
-1F691 | *
-1F692 | *
-1F693 | *
-1F69A | * | truck
-1F69C | *
-1F6B2 | *
-1F682 | * | locomotive
1F680 | *
-1F6F8 | *
-1F681 | *
-26F5  | *
-1F6A2 | * | big ship
-2708  | * | plane
-2693  | *
-1F6A6 | *
1F3E0 | * | house
-1F3F0 | *
-26FA  | *
-1F5FC | *
-26F2  | *
-1F3E5 | *
-1F31E | *
-1F31B | *
1F319 | *
-1F315 | * | full moon
1F30D | ~planet earth | globe
-1F30A | * | wave | ocean wave
2B50  | star | yellow star | white medium star
-1F31F | *
2600  | sun | black sun with rays
2601  | *
-26C5  | sun behind cloud
-1F327 | cloud with rain | rain cloud
-26A1  | lightning bolt | ~lightning | high voltage sign
-2744  | *
-26C4  | snowman | snowman without snow
1F308 | *
1F525 | ~* | flame
1F4A7 | * | water drop
-2602  | *
2764  | red heart | ~love | heavy black heart
-1F9E1 | *
1F49B | *
1F49A | *
1F499 | *
1F49C | *
-1F5A4 | *
-1F90E | *
-1F494 | *
-1F534 | * | red circle
-1F7E0 | * | orange circle
-1F7E1 | * | yellow circle
-1F7E2 | * | green circle
-1F535 | * | blue circle
-1F7E3 | * | purple circle
-1F7E5 | * | red square
-1F7E7 | * | orange square
-1F7E8 | * | yellow square
-1F7E9 | * | green square
-1F7E6 | * | blue square
-1F7EA | * | purple square
-1F4D5 | * | red book
-1F4D7 | *
-1F4D8 | *
-1F4D9 | *
26BD  | * | football
1F3C0 | * | basketball
-1F3BE | * | tennis ball
-1F3B1 | ~* | billiard ball
-1F3C6 | *
-1F947 | * | gold medal
-1F3AF | * | target
-1F3B2 | * | dice
1F3B8 | *
-1F3B9 | * | piano keyboard
-1F3BA | *
-1F3BB | *
-1F941 | * | drum
-1F3A8 | * | paint palette
1F388 | * | red balloon
1F381 | * | gift
-1F380 | * | pink ribbon
1F451 | *
-1F48E | * | diamond
-1F48D | *
-1F453 | ~* | pair of glasses
-1F3A9 | *
-1F455 | *
-1F45F | *
1F4A1 | * | light bulb
-1F511 | *
-1F512 | * | padlock
-1F514 | *
-23F0  | *
-231B  | *
-1F4BB | * | laptop | laptop computer
-1F4F1 | *
-1F4F7 | *
-1F4FA | *
-1F4FB | *
-1F50D | magnifying glass
-2702  | ~* | pair of scissors
-270F  | *
-1F4CE | *
-1F528 | *
-1F527 | *
-1F9F2 | *
-1F9F8 | *
-1F6D1 | * | stop sign
-1F5FF | * | stone head
1F600 | * | ~happy face
-1F602 | * | laughing face
-1F60D | * | ~face with heart eyes
1F60E | * | ~face with sunglasses
-1F609 | *
-1F622 | * | sad face
-1F621 | * | angry face
-1F634 | *
-1F914 | *
1F47B | *
-1F47D | * | alien
1F916 | * | robot
1F383 | * | halloween pumpkin | pumpkin
1F480 | *
-1F4A9 | pile of poo
-1F47E | * | space invader
"""

TEMPLATES = (
    ("{a}", 10),
    ("{n}", 5),
    ("the {n}", 0.6),
    ("a picture of {a}", 0.6),
    ("an emoji of {a}", 0.6),
    ("{n} emoji", 0.6),
    ("an icon of {a}", 0.6),
    ("a drawing of {a}", 0.6),
    ("{a} on a white background", 0.6),
)


@dataclass(frozen=True)
class Emoji:
    code: int
    names: tuple[tuple[str, str], ...]  # (name, name with article), best first
    vae_only: bool = False

    @property
    def prompt(self) -> str:
        return self.names[0][1]


def _with_article(name: str) -> str:
    return ("an " if name[0] in "aeiou" and not name.startswith("uni") else "a ") + name


def emoji_list() -> list[Emoji]:
    result = []
    for line in TABLE.strip().splitlines():
        fields = [f.strip() for f in line.split("|")]
        vae_only = fields[0].startswith("-")
        code = int(fields[0].removeprefix("-"), 16)
        names = []
        for f in fields[1:]:
            mass = f.startswith("~")
            f = f.removeprefix("~")
            name = unicodedata.name(chr(code)).lower() if f == "*" else f
            names.append((name, name if mass else _with_article(name)))
        result.append(Emoji(code, tuple(names), vae_only))
    assert len({e.code for e in result}) == len(result)
    return result


def captions(e: Emoji) -> list[tuple[str, float]]:
    """All captions of one picture with sampling weights (the first name counts double)."""
    result = []
    for k, (name, article) in enumerate(e.names):
        for template, weight in TEMPLATES:
            text = template.format(a=article, n=name)
            w = weight * (2.0 if k == 0 else 1.0)
            result += [(text, w * 0.86), (text[0].upper() + text[1:], w * 0.07), (text[0].upper() + text[1:] + ".", w * 0.07)]
    return result


class CaptionSampler:
    def __init__(self, emojis: list[Emoji], seed: int):
        self.rng = random.Random(seed)
        self.texts, self.weights = [], []
        for e in emojis:
            c = captions(e)
            self.texts.append([t for t, _ in c])
            self.weights.append([w for _, w in c])

    def __call__(self, index: int, dropout: float) -> str:
        if self.rng.random() < dropout:
            return ""
        return self.rng.choices(self.texts[index], self.weights[index])[0]


def render(code: int, size: int = SIZE, font_path: str | Path = FONT):
    """One emoji as a PIL RGB image, size x size, on white."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(str(font_path), FONT_SIZE)
    text = chr(code)
    box = font.getbbox(text)
    w, h = box[2] - box[0], box[3] - box[1]
    side = max(w, h)
    canvas = Image.new("RGBA", (side, side), (255, 255, 255, 255))
    layer = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    ImageDraw.Draw(layer).text(
        ((side - w) // 2 - box[0], (side - h) // 2 - box[1]), text, font=font, embedded_color=True
    )
    canvas.alpha_composite(layer)
    return canvas.convert("RGB").resize((size, size), Image.LANCZOS)


def all_images(size: int = SIZE):
    """All pictures as a float32 tensor (N, 3, size, size) in [-1, 1]."""
    import numpy as np
    import torch

    pictures = [np.asarray(render(e.code, size)) for e in emoji_list()]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def contact_sheet(pictures, columns: int = 20, scale: int = 1):
    """PIL images -> one PIL image."""
    from PIL import Image

    w, h = pictures[0].size
    w, h = w * scale, h * scale
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (w + 2), rows * (h + 2)), (200, 200, 200))
    for i, p in enumerate(pictures):
        p = p.resize((w, h), Image.NEAREST) if scale > 1 else p
        sheet.paste(p, ((i % columns) * (w + 2) + 1, (i // columns) * (h + 2) + 1))
    return sheet


if __name__ == "__main__":
    import sys

    emojis = emoji_list()
    for e in emojis:
        print(f"U+{e.code:04X}", "; ".join(n for n, _ in e.names))
    print(len(emojis), "pictures,", sum(len(captions(e)) for e in emojis), "captions")
    if len(sys.argv) > 1:
        contact_sheet([render(e.code) for e in emojis]).save(sys.argv[1])
