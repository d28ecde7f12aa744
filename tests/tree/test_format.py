"""clang-format decides about layout; code is ASCII and has no marks of unfinished work."""

import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

ROOT = Path(os.environ["GESSO_SOURCE_DIR"])
VENDORED = {"dlpack.h"}
SOURCES = [path for folder in ("sdk", "host", "plugins", "tests") for path in sorted((ROOT / folder).rglob("*"))
           if path.suffix in (".h", ".hpp", ".c", ".cpp") and path.name not in VENDORED]
FORMATTER = shutil.which("clang-format-14")  # other versions break lines elsewhere


class Format(unittest.TestCase):
    @unittest.skipUnless(FORMATTER, "clang-format-14 is not installed")
    def test_layout(self):
        done = subprocess.run([FORMATTER, "--dry-run", "--Werror", *SOURCES], capture_output=True, text=True)
        wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.M)))
        self.assertEqual(wrong, [], f"run {FORMATTER} -i on these")

    def test_ascii(self):
        for path in SOURCES:
            with self.subTest(file=path.name):
                self.assertTrue(path.read_bytes().isascii())

    def test_nothing_is_marked_unfinished(self):
        for path in SOURCES:
            with self.subTest(file=path.name):
                self.assertNotRegex(path.read_text(), r"\b(TODO|FIXME|XXX|HACK)\b")


if __name__ == "__main__":
    unittest.main()
