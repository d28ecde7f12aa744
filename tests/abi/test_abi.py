"""Binaries of earlier releases and today's, both ways; and that the guards see what they must see."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

import snapshot
import types_by_abigail

HERE = Path(__file__).parent
HEADERS = Path(os.environ["GESSO_SDK_HEADERS"])
PROGRAM = os.environ["GESSO_PROGRAM"]
PLUGINS = Path(os.environ["GESSO_PLUGINS"])
HOSTS = Path(os.environ["GESSO_ABI_HOSTS"])
DEMO = os.environ["GESSO_DEMO"]
RELEASES = sorted(path.name for path in HERE.glob("[0-9]*.[0-9]*"))


def run(*command):
    return subprocess.run([str(part) for part in command], text=True, capture_output=True)


class Headers(unittest.TestCase):
    def test_they_extend_every_snapshot(self):
        self.assertTrue(RELEASES)
        today = snapshot.dump(HEADERS)
        for release in RELEASES:
            with self.subTest(release):
                old = (HERE / release / "snapshot.txt").read_text().splitlines()
                self.assertEqual(snapshot.problems(old, today), [])

    @unittest.skipUnless(shutil.which("abidiff"), "abigail-tools is not installed")
    def test_they_extend_the_types_of_every_release(self):
        for release in RELEASES:
            with self.subTest(release):
                self.assertEqual(types_by_abigail.problems(HEADERS, HERE / release / "types.abi"), "")


@unittest.skipUnless(platform.machine() == "x86_64", "the binaries are for another machine")
class KeptPlugins(unittest.TestCase):
    """Plugins as they were built against each release, in today's host."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def plugins(self, release):
        """Copies of that release's plugins: those of a checkout may be writable for others, which a host refuses."""
        copies = self.folder / release
        shutil.copytree(HERE / release / "plugins", copies)
        for path in [copies, *copies.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)
        return copies

    def paint(self, plugins, pipeline, *changes):
        out = self.folder / "picture.png"
        done = run(PROGRAM, "--plugin-path", plugins, "run", pipeline, *changes, "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        picture = out.read_bytes()
        self.assertGreater(len(picture), 500)
        out.unlink()
        return picture

    def test_all_are_loaded_and_keep_the_contract(self):
        for release in RELEASES:
            plugins = self.plugins(release)
            names = sorted(path.name for path in plugins.iterdir())
            self.assertTrue(names)
            doctor = run(PROGRAM, "--plugin-path", plugins, "doctor")
            for name in names:
                with self.subTest(f"{name} of {release}"):
                    self.assertRegex(doctor.stdout, rf"ok +org\.example\.{name}\b")
                    done = run(PROGRAM, "validate", plugins / name / f"{name}.so")
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_they_paint(self):
        for release in RELEASES:
            with self.subTest(release):
                plugins = self.plugins(release)
                small = ["--set", "num_inference_steps=2"]
                plain = self.paint(plugins, DEMO, *small)
                other = self.paint(plugins, DEMO, *small, "--set", "components.scheduler.id=org.example.adams.scheduler",
                                   "--set", "memory.policy=one_at_a_time")
                self.assertNotEqual(plain, other)
                self.paint(plugins, plugins / "pixel_art" / "pixel_art.toml")


class KeptHosts(unittest.TestCase):
    def test_each_makes_every_component_of_today(self):
        libraries = sorted(PLUGINS.glob("*/*.so"))
        self.assertGreater(len(libraries), 10)
        for release in RELEASES:
            for library in libraries:
                with self.subTest(f"{library.stem} in the host of {release}"):
                    manifest = tomllib.loads(library.with_suffix(".gesso.toml").read_text())
                    done = run(HOSTS / f"abi_host_{release}", library)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    made = [line.split()[:2] for line in done.stdout.splitlines()]
                    self.assertEqual(sorted(made), sorted([c["id"], c["kind"]] for c in manifest.get("component", [])))
                    if library.stem == "flow_match":
                        self.assertIn("gesso.scheduler/1 1.000000 ", done.stdout)


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

    @unittest.skipUnless(shutil.which("abidiff"), "abigail-tools is not installed")
    def test_abigail_sees_the_same(self):
        before = self.headers.parent / "before.abi"
        types_by_abigail.dump(self.headers, before)

        def problems(file, old, new):
            path = self.headers / file
            text = path.read_text()
            self.assertIn(old, text)
            path.write_text(text.replace(old, new, 1))
            found = types_by_abigail.problems(self.headers, before)
            path.write_text(text)
            return found

        self.assertEqual(problems("plugin.h", "} gesso_setup_t;", "  const char* more;\n} gesso_setup_t;"), "")
        self.assertIn("gesso_estimate", problems("module.h", "uint64_t peak_bytes;", "int64_t peak_bytes;"))
        self.assertIn("gesso_scheduler", problems("kind/scheduler.h", "double u,", "float u,"))
        self.assertIn("gesso_engine_destroy", problems("engine/engine.h", "gesso_engine_destroy", "gesso_engine_end"))

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
