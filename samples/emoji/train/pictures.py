"""PNG files, how near two pictures are, and Canny's edges, in plain Python, for the scripts of this folder and of the one above."""

import struct
import sys
import zlib
from pathlib import Path

CELLS = 24  # of a picture's features, along a side


def read_png(path):
    """Width, height and RGB rows of an 8-bit RGB PNG without interlace."""
    data, at, packed = Path(path).read_bytes(), 8, b""
    while at < len(data):
        size, kind = int.from_bytes(data[at:at + 4], "big"), data[at + 4:at + 8]
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            if (depth, colour, interlace) != (8, 2, 0):
                sys.exit(f"{path}: expected an 8-bit RGB PNG")
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    raw, stride, rows, before = zlib.decompress(packed), width * 3, [], bytes(width * 3)
    for y in range(height):
        kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left, up = row[x - 3] if x >= 3 else 0, before[x]
            if kind == 1:
                row[x] = (row[x] + left) & 255
            elif kind == 2:
                row[x] = (row[x] + up) & 255
            elif kind == 3:
                row[x] = (row[x] + (left + up) // 2) & 255
            elif kind == 4:
                corner = before[x - 3] if x >= 3 else 0
                guess = left + up - corner
                near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                           (abs(guess - corner), 2, corner))[2]
                row[x] = (row[x] + near) & 255
        rows.append(row)
        before = row
    return width, height, rows


def weights(size):
    """For each cell the pixels that it covers, with the covered part of each."""
    result = []
    for cell in range(CELLS):
        low, high = cell * size / CELLS, (cell + 1) * size / CELLS
        result.append([(i, min(high, i + 1) - max(low, i)) for i in range(int(low), min(size, int(high) + 1))
                       if min(high, i + 1) > max(low, i)])
    return result


def features(path):
    """24x24 area averages of RGB, as one list."""
    width, height, rows = read_png(path)
    across, down = weights(width), weights(height)
    narrow = [[sum(row[3 * i + c] * w for i, w in cell) for cell in across for c in range(3)] for row in rows]
    area = width * height / CELLS ** 2
    return [sum(narrow[i][k] * w for i, w in cell) / area for cell in down for k in range(3 * CELLS)]


def distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b))


def gradients(width, height, rows):
    """Sobel's dx and dy of each pixel, of the channel where |dx| + |dy| is largest."""
    result = []
    for y in range(height):
        above, here, below = rows[max(y - 1, 0)], rows[y], rows[min(y + 1, height - 1)]
        line = []
        for x in range(width):
            left, right, best = 3 * max(x - 1, 0), 3 * min(x + 1, width - 1), (0, 0)
            for c in range(3):
                dx = (above[right + c] - above[left + c] + below[right + c] - below[left + c]
                      + 2 * (here[right + c] - here[left + c]))
                dy = (below[left + c] - above[left + c] + below[right + c] - above[right + c]
                      + 2 * (below[3 * x + c] - above[3 * x + c]))
                if abs(dx) + abs(dy) > abs(best[0]) + abs(best[1]):
                    best = (dx, dy)
            line.append(best)
        result.append(line)
    return result


def is_ridge(size, x, y, dx, dy):
    """Whether the gradient is largest here, across the edge; `size` has a border of 0. As OpenCV compares."""
    here, row = size[y][x], size[y]
    steep, flat = abs(dy) << 15, abs(dx) * 13573  # tan(22.5 degrees) in 15 bits
    if steep < flat:
        return here > row[x - 1] and here >= row[x + 1]
    if steep > flat + (abs(dx) << 16):
        return here > size[y - 1][x] and here >= size[y + 1][x]
    s = -1 if (dx < 0) != (dy < 0) else 1
    return here > size[y - 1][x - s] and here > size[y + 1][x + s]


def canny(width, height, rows, low=100, high=200):
    """The edges of RGB rows as a set of (x, y): what Gesso's preprocessor "canny" draws white."""
    slopes = gradients(width, height, rows)
    size = [[0] * (width + 2) for _ in range(height + 2)]
    for y, line in enumerate(slopes):
        for x, (dx, dy) in enumerate(line):
            size[y + 1][x + 1] = abs(dx) + abs(dy)
    ridges = {(x, y) for y, line in enumerate(slopes) for x, (dx, dy) in enumerate(line)
              if size[y + 1][x + 1] > low and is_ridge(size, x + 1, y + 1, dx, dy)}
    edges = {(x, y) for x, y in ridges if size[y + 1][x + 1] > high}
    open_ends = list(edges)
    while open_ends:
        x, y = open_ends.pop()
        new = {(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & ridges - edges
        edges |= new
        open_ends += new
    return edges
