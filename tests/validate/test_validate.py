"""gesso validate: what it says of the plugins of this tree, and how it answers wrong requests."""

import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

PROGRAM = os.environ["GESSO_PROGRAM"]
PLUGINS = Path(os.environ["GESSO_PLUGINS"])
FAULTY = Path(os.environ["GESSO_FAULTY"])
SAMPLES = Path(__file__).parent / "samples.toml"


def validate(*arguments):
    return subprocess.run([PROGRAM, "validate", *map(str, arguments)], text=True,
                          capture_output=True)


class PluginsOfThisTree(unittest.TestCase):
    def test_they_keep_the_contract(self):
        plugins = sorted(PLUGINS.glob("*/*.so"))
        self.assertGreater(len(plugins), 20)
        for plugin in plugins:
            with self.subTest(plugin.stem):
                done = validate(plugin, "--sample", SAMPLES, "--json", "--timeout",
                                os.environ["GESSO_CHECK_SECONDS"])
                report = json.loads(done.stdout)
                self.assertEqual([c for c in report["checks"] if c["status"] == "fail"], [])
                self.assertEqual(done.returncode, 0)
                self.assertGreater(report["passed"], 40)
                self.assertIn("load.cycles", {c["check"] for c in report["checks"]
                                              if c["status"] == "pass"})


# Which library has the faults of a group: "none" has those of the kinds that are not listed.
MODELS = {"codec", "composer", "controller", "delta_generator", "denoiser", "injection",
          "text_encoder", "training", "weights"}
# Faults of files: a library of its own, or what is done to a copy of the plugin.
LIBRARIES = {"file.exports", "file.ends_no_process", "file.changes_no_process",
             "file.starts_no_process", "file.stack", "load.opens", "load.has_entry"}


def library_of(check):
    if check in LIBRARIES:
        return check.split(".")[1]
    of_models = check.split(".")[0] in MODELS or check == "component.without_weights"
    return "models" if of_models else "none"


def write_weights(file):
    """A safetensors file with the weight of the faulty denoiser."""
    header = json.dumps({"mix.weight": {"dtype": "F32", "shape": [3],
                                        "data_offsets": [0, 12]}}).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<3f", 0.5, 0.25, 1))


def spoil(check, folder):
    """Makes a plugin in `folder` have a fault of its files."""
    library, manifest = folder / "faulty.so", folder / "faulty.gesso.toml"
    if check == "file.is_library":
        library.write_text("this is no library")
    elif check == "file.writable":
        library.chmod(0o777)
    elif check == "manifest.present":
        manifest.unlink()
    elif check == "manifest.readable":
        manifest.write_text("manifest = 1\nplugin = 7\n")
    elif check == "manifest.names_library":
        shutil.copy(library, folder / "other.so")
        manifest.write_text(manifest.read_text().replace('"faulty.so"', '"other.so"'))
    else:
        return False
    return True


class Faults(unittest.TestCase):
    """Each check is proven by a plugin with just that fault."""

    def findings(self, fault, library="none", seconds=60):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "plugin"
            shutil.copytree(FAULTY / library, folder)
            write_weights(folder / "faulty.safetensors")
            environment = {**os.environ, "GESSO_FAULT": "none" if spoil(fault, folder) else fault}
            done = subprocess.run([PROGRAM, "validate", folder / "faulty.so", "--json", "--timeout",
                                   str(seconds)], text=True, capture_output=True, env=environment)
            report = json.loads(done.stdout)
            self.assertEqual(done.returncode, 0 if report["ok"] else 1)
            return [c for c in report["checks"] if c["status"] == "fail"]

    def test_without_a_fault_nothing_is_found(self):
        for library in ("none", "models"):
            self.assertEqual(self.findings("none", library), [])

    def test_each_check_finds_its_fault_and_no_other(self):
        for check in json.loads(validate("--list", "--json").stdout):
            name = check["check"]
            with self.subTest(name):
                found = self.findings(name, library_of(name))
                self.assertEqual({c["check"] for c in found}, {name}, found)
                self.assertTrue(all(c["text"] for c in found), found)

    def test_a_crash_is_a_finding(self):
        found = self.findings("crash")
        self.assertEqual([c["check"] for c in found], ["scheduler.counts"])
        self.assertIn("it ended the process: signal", found[0]["text"])

    def test_what_goes_on_for_ever_is_a_finding(self):
        found = self.findings("hang", seconds=10)
        self.assertEqual([c["check"] for c in found], ["scheduler.counts"])
        self.assertIn("it went on for more than 10", found[0]["text"])


class Program(unittest.TestCase):
    def test_there_are_many_checks_and_each_says_what_to_do(self):
        checks = json.loads(validate("--list", "--json").stdout)
        self.assertGreaterEqual(len(checks), 100)
        self.assertEqual(len({c["check"] for c in checks}), len(checks))
        for check in checks:
            self.assertTrue(check["what"] and check["advice"], check)

    def test_a_report_for_people(self):
        done = validate(PLUGINS / "flow_match/flow_match.so", "--all")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("pass  scheduler.straight  (org.gesso.flow_match.scheduler)", done.stdout)
        self.assertIn("it keeps the contract:", done.stdout)

    def test_only_some_checks(self):
        done = validate(PLUGINS / "flow_match/flow_match.so", "--only", "scheduler", "--json")
        names = {c["check"] for c in json.loads(done.stdout)["checks"]}
        self.assertIn("scheduler.falls", names)
        self.assertTrue(all(name.startswith("scheduler.") for name in names), names)

    def test_wrong_requests(self):
        for arguments in (["nowhere.so"], [], [PLUGINS / "flow_match/flow_match.so", "--only", "no"],
                          [PLUGINS / "flow_match/flow_match.so", "--sample", "nowhere.toml"]):
            done = validate(*arguments)
            self.assertEqual(done.returncode, 2, f"{arguments}: {done.stdout}{done.stderr}")
            self.assertTrue(done.stderr)


if __name__ == "__main__":
    unittest.main()
