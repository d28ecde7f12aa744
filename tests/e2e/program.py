"""The program under test, its demo, and a folder to run it in. The build tells where they are."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

PROGRAM = os.environ["GESSO_PROGRAM"]
DEMO = Path(PROGRAM).parent.parent / "share/gesso/samples/emoji/emoji.toml"

needs_demo = unittest.skipUnless(DEMO.exists(), f"{DEMO} is not there")


class ProgramTest(unittest.TestCase):
    """Each test runs in an empty folder of its own."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="gesso-e2e-")
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name).resolve()

    def gesso(self, *arguments, code=0, **environment):
        """Runs the program and checks its exit code."""
        done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.folder, text=True,
                              capture_output=True, env={**os.environ, "DIFFSYNTH_SKIP_DOWNLOAD": "true", **environment})
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}\n{done.stderr}")
        if "GESSO_CHECK" in os.environ:
            self.assertNotIn("GESSO_CHECK: ", done.stderr)
        return done

    def gesso_json(self, *arguments):
        return json.loads(self.gesso(*arguments).stdout)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path
