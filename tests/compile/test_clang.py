"""Every public header alone under Clang, in each language that is promised, with all warnings as errors.

The build does the same with its own compiler, which is mostly GCC.
"""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

INCLUDE = Path(os.environ["GESSO_INCLUDE"])
C_HEADERS = sorted(path for path in INCLUDE.rglob("*.h") if path.name != "dlpack.h")  # vendored
CPP_HEADERS = sorted(path for path in INCLUDE.rglob("*.hpp") if "torch" not in path.name)  # libtorch's headers warn
CLANG = next((name for name in ("clang++-16", "clang++", "clang++-14") if shutil.which(name)), None)


@unittest.skipUnless(CLANG, "there is no clang")
class Alone(unittest.TestCase):
    def compile(self, headers, language, standard):
        self.assertGreater(len(headers), 15)
        with tempfile.TemporaryDirectory() as folder:
            sources = []
            for header in headers:
                name = header.relative_to(INCLUDE)
                source = Path(folder) / str(name).replace("/", "_")
                source.write_text(f"#include <{name}>\n#include <{name}>\nextern int gesso_header_alone;\n")  # twice: guards
                sources.append(source)
            done = subprocess.run([CLANG, f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only",
                                   f"-I{INCLUDE}", "-x", language, *sources], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_c(self):
        for standard in ("c11", "c17", "c2x"):
            with self.subTest(standard=standard):
                self.compile(C_HEADERS, "c", standard)

    def test_c_headers_as_cpp(self):
        for standard in ("c++17", "c++20", "c++2b"):
            with self.subTest(standard=standard):
                self.compile(C_HEADERS, "c++", standard)

    def test_cpp(self):
        for standard in ("c++20", "c++2b"):
            with self.subTest(standard=standard):
                self.compile(CPP_HEADERS, "c++", standard)


if __name__ == "__main__":
    unittest.main()
