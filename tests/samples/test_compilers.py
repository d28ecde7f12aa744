"""Samples and templates under GCC and Clang, as the oldest and as the newest language, with all warnings as errors."""

import shutil
import subprocess
import unittest

from stranger import PREFIX, SAMPLES, StrangerTest

TEMPLATES = PREFIX / "share" / "gesso" / "template"
SOURCES = sorted(path for folder in (SAMPLES / "plugins", SAMPLES / "hosts", TEMPLATES) for path in folder.rglob("*")
                 if path.suffix in (".c", ".cpp"))
PROJECTS = sorted(path for folder in ("plugins", "hosts") for path in (SAMPLES / folder).glob("*/CMakeLists.txt")
                  if "LANGUAGES NONE" not in path.read_text())  # that one is written in Rust
OLDEST, NEWEST = {".c": "c11", ".cpp": "c++20"}, {".c": "c2x", ".cpp": "c++2b"}


def first(*names):
    return next((name for name in names if shutil.which(name)), None)


CLANG = first("clang-16", "clang", "clang-14"), first("clang++-16", "clang++", "clang++-14")


class Compilers(StrangerTest):
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

    @unittest.skipUnless(CLANG[1], "there is no clang")
    def test_clang(self):
        self.compile_all(*CLANG, OLDEST)

    @unittest.skipUnless(CLANG[1], "there is no clang")
    def test_samples_are_built_by_clang(self):
        self.assertGreater(len(PROJECTS), 6)
        for project in PROJECTS:
            with self.subTest(sample=project.parent.name):
                self.assertRegex(project.read_text(), "-Wall -Wextra -pedantic -Werror")
                self.build(project.parent, f"-DCMAKE_C_COMPILER={CLANG[0]}", f"-DCMAKE_CXX_COMPILER={CLANG[1]}")


if __name__ == "__main__":
    unittest.main()
