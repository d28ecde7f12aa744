"""What a user of an installed Gesso has: the program, a compiler, CMake, and a folder of their own."""

import json
import os
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

PREFIX = Path(os.environ["GESSO_PREFIX"])
SOURCE = Path(os.environ["GESSO_SOURCE_DIR"])
PROGRAM = PREFIX / "bin" / "gesso"
SAMPLES = PREFIX / "share" / "gesso" / "samples"
DEMO = SAMPLES / "emoji" / "emoji.toml"
SMALL = ["--set", "num_inference_steps=4"]


class StrangerTest(unittest.TestCase):
    """Each test runs in an empty folder of its own."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="gesso-stranger-")
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name).resolve()

    def run_command(self, *command, code=0, plugins=(), **options):
        environment = {**os.environ, "GESSO_PLUGIN_PATH": ":".join(map(str, plugins)), "PYTHONDONTWRITEBYTECODE": "1",
                       "GESSO_LIBRARY": str(PREFIX / "lib" / "libgesso.so.1")}
        done = subprocess.run([str(part) for part in command], cwd=options.pop("cwd", self.folder), text=True,
                              capture_output=True, env=environment, **options)
        if code is not None:
            self.assertEqual(done.returncode, code, f"{command}\n{done.stdout}\n{done.stderr}")
        return done

    def build(self, source, *options):
        """With the sample's own CMakeLists.txt; returns the folder of what was built."""
        out = self.folder / f"build-{Path(source).name}"
        options = list(options)
        if os.environ.get("GESSO_CCACHE"):
            options += [f"-DCMAKE_{language}_COMPILER_LAUNCHER={os.environ['GESSO_CCACHE']}" for language in ("C", "CXX")]
        self.run_command(os.environ["GESSO_CMAKE"], "-S", source, "-B", out, f"-DCMAKE_PREFIX_PATH={PREFIX}",
                         "-DCMAKE_BUILD_TYPE=Release", *options)
        self.run_command(os.environ["GESSO_CMAKE"], "--build", out)
        return out

    def assert_valid(self, plugin, *arguments, skipped=()):
        """gesso validate finds no fault; what it could not ask is among `skipped`: groups, or names of checks."""
        library = next(iter(sorted(Path(plugin).glob("*.so"))))
        done = self.run_command(PROGRAM, "validate", library, "--json", *arguments, code=None)
        report = json.loads(done.stdout)
        faults = [check for check in report["checks"] if check["status"] == "fail"]
        self.assertEqual(faults, [], library)
        self.assertEqual(done.returncode, 0, done.stderr)
        for check in report["checks"]:
            if check["status"] == "skip":
                self.assertTrue({check["check"], check["check"].split(".")[0]} & set(skipped), check)
        self.assertGreater(report["passed"], 50)

    def paint(self, pipeline, *arguments, plugins=()):
        """The pixels of a picture."""
        out = self.folder / "picture.png"
        out.unlink(missing_ok=True)
        self.run_command(PROGRAM, "run", pipeline, "--out", out, *arguments, plugins=plugins)
        return self.png(out)

    def png(self, path):
        """The pixels of a PNG, still compressed; its texts differ with the request."""
        data = Path(path).read_bytes()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n", path)
        pixels, at = b"", 8
        while at < len(data):
            size, name = struct.unpack_from(">I4s", data, at)
            pixels += data[at + 8:at + 8 + size] if name == b"IDAT" else b""
            at += size + 12
        return pixels
