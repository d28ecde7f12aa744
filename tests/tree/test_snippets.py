"""Every piece of C and C++ in the documentation compiles; the reference is what the headers say."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(os.environ["GESSO_SOURCE_DIR"])
REFERENCE = ROOT / "docs" / "reference" / "abi.md"  # the headers themselves: tests/compile
PAGES = [page for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "samples").rglob("*.md")])
         if page != REFERENCE]
FENCE = re.compile(r"^```(c|cpp)\n(.*?)^```", re.M | re.S)
C_HEADERS = "#include <gesso/gesso.h>\n#include <gesso/engine.h>\n"
CPP_HEADERS = C_HEADERS + "".join(f"#include <gesso/cpp/{name}.hpp>\n" for name in ("engine", "plugin", "module", "delta", "injection"))


class Snippets(unittest.TestCase):
    def compile(self, language, block):
        compiler, standard, headers = ("cc", "c11", C_HEADERS) if language == "c" else ("c++", "c++20", CPP_HEADERS)
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"snippet.{language}"
            source.write_text(block if "#include" in block else headers + block)
            return subprocess.run([compiler, f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only",
                                   f"-I{ROOT}/sdk/include", source], capture_output=True, text=True)

    @unittest.skipUnless(shutil.which("cc") and shutil.which("c++"), "there is no cc or c++")
    def test_they_compile(self):
        seen = 0
        for page in PAGES:
            for language, block in FENCE.findall(page.read_text()):
                with self.subTest(page=page.name, block=block.splitlines()[0]):
                    done = self.compile(language, block)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    seen += 1
        self.assertGreater(seen, 12)

    def test_the_reference_is_up_to_date(self):
        done = subprocess.run([ROOT / "scripts" / "abi-reference", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_kind_has_a_chapter_and_a_template(self):
        kinds = re.findall(r'"(\w+)"', re.search(r"kKinds\[\] = \{(.*?)\}", (ROOT / "host/engine/registry/manifest_keys.hpp")
                                                 .read_text(), re.S)[1])
        self.assertGreater(len(kinds), 10)
        guide = (ROOT / "docs/plugins/README.md").read_text()
        for kind in kinds:
            with self.subTest(kind=kind):
                self.assertIn(f"({kind}.md)", guide)
                self.assertTrue((ROOT / "docs/plugins" / f"{kind}.md").exists())
                self.assertTrue((ROOT / "sdk/template" / kind / "my_plugin.cpp").exists())


if __name__ == "__main__":
    unittest.main()
