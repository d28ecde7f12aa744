"""The site can be built, and MkDocs has nothing to complain about."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(os.environ["GESSO_SOURCE_DIR"])


class Site(unittest.TestCase):
    @unittest.skipUnless(shutil.which("mkdocs"), "mkdocs is not installed")
    def test_it_is_built_without_a_warning(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "-B", ROOT / "scripts" / "site", folder], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for page in ("index.html", "docs/plugins/scheduler/index.html", "docs/reference/abi/index.html"):
                self.assertTrue((Path(folder) / "site" / page).exists(), page)


if __name__ == "__main__":
    unittest.main()
