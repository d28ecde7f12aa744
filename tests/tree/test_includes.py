"""Who includes whom: the table of CONTRIBUTING.md, held against every source."""

import os
import re
import unittest
from pathlib import Path

ROOT = Path(os.environ["GESSO_SOURCE_DIR"])
INCLUDE = re.compile(r'^#include\s+(["<])([^">]+)[">]', re.M)
LIBTORCH = ("ATen/", "c10/", "torch/")

# Folder, what it may include with quotes (a name without a folder is its neighbour), whether it may use libtorch.
LAYERS = [
    ("sdk/include", ("gesso/",), False),
    ("host/engine", ("engine/", "gesso/", "isolation/proxy.hpp", "runtime/runtime.hpp", "runtime/training_report.hpp", "runtime/adapter_file.hpp"), False),
    ("host/isolation", ("isolation/", "engine/base/", "engine/registry/loader.hpp", "gesso/"), False),
    ("host/runtime", ("runtime/", "engine/", "gesso/"), True),
    ("host/cli", ("cli/", "engine/base/", "gesso/"), False),
    ("plugins", ("gesso/",), True),
]


def sources(folder):
    return [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in (".h", ".hpp", ".c", ".cpp")]


def includes(path):
    return [(mark, name) for mark, name in INCLUDE.findall(path.read_text())]


def stays_in(folder, path, name):
    """The headers of the SDK name each other by their places."""
    found = (path.parent / name).resolve()
    return folder.name == "include" and found.is_relative_to(folder) and found.exists()


class Includes(unittest.TestCase):
    def test_arrows_point_one_way(self):
        common = tuple(f"{folder.name}/" for folder in sorted((ROOT / "plugins/common").iterdir()) if folder.is_dir())
        for folder, allowed, _ in LAYERS:
            allowed += common if folder == "plugins" else ()
            for path in sources(folder):
                for mark, name in includes(path):
                    with self.subTest(file=str(path.relative_to(ROOT)), include=name):
                        if mark == '"' and "/" in name and not stays_in(ROOT / folder, path, name):
                            self.assertTrue(name.startswith(allowed), f"expected one of {allowed}")

    def test_libtorch_stays_where_it_belongs(self):
        for folder, _, may in LAYERS:
            for path in sources(folder):
                if may or path.name in ("torch.hpp", "training_torch.hpp"):
                    continue
                with self.subTest(file=str(path.relative_to(ROOT))):
                    self.assertFalse([name for _, name in includes(path) if name.startswith(LIBTORCH)])

    def test_there_are_sources(self):
        self.assertGreater(sum(len(sources(folder)) for folder, _, _ in LAYERS), 200)


if __name__ == "__main__":
    unittest.main()
