"""Samples and templates under GCC and Clang, as the oldest and as the newest language, with all warnings as errors."""

import shutil
import subprocess
import unittest

from stranger import PREFIX, SAMPLES

TEMPLATES = PREFIX / "share" / "gesso" / "template"
SOURCES = sorted(path for folder in (SAMPLES / "plugins", SAMPLES / "hosts", TEMPLATES) for path in folder.rglob("*")
                 if path.suffix in (".c", ".cpp"))
OLDEST, NEWEST = {".c": "c11", ".cpp": "c++20"}, {".c": "c2x", ".cpp": "c++2b"}


def first(*names):
    return next((name for name in names if shutil.which(name)), None)


class Compilers(unittest.TestCase):
    def compile_all(self, c, cpp, standards):
        self.assertGreater(len(SOURCES), 20)
        for path in SOURCES:
            compiler = {".c": c, ".cpp": cpp}[path.suffix]
            with self.subTest(compiler=compiler, source=path.name, folder=path.parent.name):
                done = subprocess.run([compiler, f"-std={standards[path.suffix]}", "-Wall", "-Wextra", "-pedantic", "-Werror",
                                       "-fsyntax-only", f"-I{PREFIX}/include", f"-I{TEMPLATES}/c",
                                       f"-I{TEMPLATES}/c/module", path], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(first("g++"), "there is no g++")
    def test_gcc(self):
        self.compile_all("gcc", "g++", NEWEST)

    @unittest.skipUnless(first("clang++-16", "clang++", "clang++-14"), "there is no clang")
    def test_clang(self):
        self.compile_all(first("clang-16", "clang", "clang-14"), first("clang++-16", "clang++", "clang++-14"), OLDEST)


if __name__ == "__main__":
    unittest.main()
