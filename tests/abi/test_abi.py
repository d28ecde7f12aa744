"""Binaries of earlier releases and today's, both ways; and that the guard sees what it must see."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import snapshot

HERE = Path(__file__).parent
HEADERS = Path(os.environ["GESSO_SDK_HEADERS"])
PROGRAM = os.environ["GESSO_PROGRAM"]
PLUGINS = Path(os.environ["GESSO_PLUGINS"])
HOSTS = Path(os.environ["GESSO_ABI_HOSTS"])
RELEASES = sorted(path.name for path in HERE.glob("[0-9]*.[0-9]*"))
# While the major is 0, only the release that is spoken now can be loaded.
MINOR = int(re.search(r"GESSO_ABI_MINOR (\d+)", (HEADERS / "abi.h").read_text())[1])
MAJOR = int(re.search(r"GESSO_ABI_MAJOR (\d+)", (HEADERS / "abi.h").read_text())[1])


class Releases(unittest.TestCase):
    def test_the_headers_extend_every_snapshot(self):
        self.assertTrue(RELEASES)
        today = snapshot.dump(HEADERS)
        for release in RELEASES:
            with self.subTest(release):
                old = (HERE / release / "snapshot.txt").read_text().splitlines()
                self.assertEqual(snapshot.problems(old, today), [])

    @unittest.skipUnless(platform.machine() == "x86_64", "the binary is for another machine")
    def test_a_plugin_of_each_release_is_loaded(self):
        for release in RELEASES:
            if MAJOR == 0 and release != f"0.{MINOR}":
                continue
            with self.subTest(release), tempfile.TemporaryDirectory() as folder:
                shutil.copy(HERE / release / "plugin.linux_amd64.so", f"{folder}/straight_c.so")
                shutil.copy(HERE / release / "plugin.gesso.toml", f"{folder}/straight_c.gesso.toml")
                done = subprocess.run([PROGRAM, "validate", f"{folder}/straight_c.so"], text=True,
                                      capture_output=True)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                doctor = subprocess.run([PROGRAM, "--plugin-path", folder, "doctor"], text=True,
                                        capture_output=True)
                self.assertRegex(doctor.stdout, r"ok +org\.example\.straight_c")

    def test_a_host_of_each_release_loads_todays_plugins(self):
        for release in RELEASES:
            minor = release.split(".")[1]
            if MAJOR == 0 and release != f"0.{MINOR}":
                continue
            with self.subTest(release):
                done = subprocess.run([HOSTS / f"abi_host_{release}",
                                       PLUGINS / "flow_match/flow_match.so",
                                       "org.gesso.flow_match.scheduler", minor], text=True,
                                      capture_output=True)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertTrue(done.stdout.startswith("1.000000 "), done.stdout)


class Guard(unittest.TestCase):
    """Changed headers, in a folder of their own."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.headers = Path(temporary.name) / "gesso"
        shutil.copytree(HEADERS, self.headers)
        self.before = snapshot.dump(self.headers)

    def change(self, file, old, new):
        path = self.headers / file
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1))
        return snapshot.problems(self.before, snapshot.dump(self.headers))

    def test_nothing_changed(self):
        self.assertEqual(snapshot.problems(self.before, snapshot.dump(self.headers)), [])

    def test_an_appended_field_passes(self):
        self.assertEqual(self.change("plugin.h", "} gesso_setup_t;",
                                     "  const char* more;\n} gesso_setup_t;"), [])

    def test_a_new_constant_and_a_new_struct_pass(self):
        self.assertEqual(self.change("status.h", "typedef int32_t gesso_status_t;",
                                     "typedef int32_t gesso_status_t;\nenum { GESSO_NEW = 5 };\n"
                                     "typedef struct gesso_new { uint32_t struct_size, n; } "
                                     "gesso_new_t;"), [])

    def test_each_other_change_fails_with_advice(self):
        changes = [
            ("plugin.h", "  const gesso_value_t* values;\n  gesso_weights_t* weights;",
             "  gesso_weights_t* weights;\n  const gesso_value_t* values;", "moved from"),
            ("plugin.h", "  const char* vendor;\n", "", "is gone or has another name"),
            ("plugin.h", "const char* vendor;", "const char* author;", "is gone or has another"),
            ("module.h", "uint64_t peak_bytes;", "int64_t peak_bytes;", "append a field of another"),
            ("tensor.h", "  int32_t index; ", "  int32_t more; int32_t index; ", "gesso_item_t"),
            ("status.h", "GESSO_STATUS_NOT_FOUND = 3,", "GESSO_STATUS_NOT_FOUND = 30,",
             "numbers, ids and arguments never change"),
            ("kind/scheduler.h", '_ID "gesso.scheduler/1"', '_ID "gesso.scheduler/2"', "never change"),
            ("engine/engine.h", "gesso_engine_destroy", "gesso_engine_end", "is gone"),
            ("kind/memory_policy.h", "  int32_t state;\n} gesso_move_t;",
             "  int32_t state;\n  int64_t more;\n} gesso_move_t;", "is sealed"),
            ("kind/scheduler.h", "double u,", "float u,", "append a field of another name"),
        ]
        for file, old, new, advice in changes:
            with self.subTest(new):
                original = (self.headers / file).read_text()
                found = self.change(file, old, new)
                (self.headers / file).write_text(original)
                self.assertTrue(any(advice in text for text in found), found)



if __name__ == "__main__":
    sys.exit(unittest.main())
