"""Plugins in processes of their own: the same pictures, and a crash is an error; and plugins that are not trusted."""

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import time
import unittest
from pathlib import Path

from program import DEMO, PROGRAM, ProgramTest, needs_demo
from test_demo import pixels

FEW_STEPS = ("--set", "num_inference_steps=2", "--set", "seed=7")
PLUGINS = Path(PROGRAM).parent.parent / "lib/gesso/plugins"


def children(name):
    """Processes of this one, by the name of their program."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if entry.name.isdigit() and int(fields[1]) == os.getpid() and name in os.readlink(entry / "exe"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@needs_demo
class Pictures(ProgramTest):
    def paint(self, name, *arguments):
        done = self.gesso("run", DEMO, *FEW_STEPS, "--out", name, *arguments)
        return done, (self.folder / name).read_bytes()

    def test_each_kind_gives_the_same_file(self):
        _, expected = self.paint("plain.png")
        for component in ("flow_match.scheduler", "qwen_bpe.tokenizer", "qwen3.text_encoder", "flux_vae.codec",
                          "z_image_turbo.denoiser"):
            with self.subTest(component):
                _, made = self.paint("isolated.png", "--isolate", f"org.gesso.{component}")
                self.assertEqual(made, expected)

    def test_the_sample_gives_the_picture_of_the_demo(self):
        self.gesso("run", DEMO.with_name("isolated.toml"), *FEW_STEPS, "--out", "isolated.png")
        self.paint("plain.png")
        self.assertEqual(pixels(self.folder / "isolated.png"), pixels(self.folder / "plain.png"))

    def test_a_lora_acts_in_a_child_process(self):
        lora = ("--lora", DEMO.with_name("turbo.safetensors"))
        _, expected = self.paint("plain.png", *lora)
        _, made = self.paint("isolated.png", *lora, "--isolate", "org.gesso.z_image_turbo.denoiser", "--isolate",
                             "org.gesso.lora")
        self.assertEqual(made, expected)

    def test_weights_that_move_give_the_same_file(self):
        policy = ("--set", "memory.policy=stream")
        _, expected = self.paint("plain.png", *policy)
        _, made = self.paint("isolated.png", *policy, "--isolate", "org.gesso.z_image_turbo.denoiser")
        self.assertEqual(made, expected)

    def test_what_cannot_be_isolated_is_told_with_its_place(self):
        path = self.write("a.toml", f'extends = "{DEMO}"\n[plugins]\nisolate = ["org.gesso.z_image_turbo"]\n')
        done = self.gesso("check", path, code=2)
        self.assertRegex(done.stdout + done.stderr, r"a\.toml:3:\d+: error: plugins\.isolate: org\.gesso\.z_image_turbo\.composer: "
                         "a composer cannot run in a child process")
        path = self.write("b.toml", f'extends = "{DEMO}"\n[plugins]\nisolate = ["org.gesso.flow_mach"]\n')
        done = self.gesso("check", path, code=2)
        self.assertIn('did you mean "org.gesso.flow_match"?', done.stdout + done.stderr)


@needs_demo
class Crash(ProgramTest):
    """In this process, through ctypes, so that the same pipeline goes on."""

    @classmethod
    def setUpClass(cls):
        place = DEMO.parent.parent / "hosts/python/gesso.py"
        spec = importlib.util.spec_from_file_location("gesso_host", place)
        cls.host = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(cls.host)

    def paint(self, pipeline, name):
        for picture in pipeline.generate(num_inference_steps=2, seed=7):
            picture.save(str(self.folder / name))
        return pixels(self.folder / name)

    def test_a_killed_plugin_is_an_error_and_the_pipeline_goes_on(self):
        with self.host.Engine() as engine, engine.load(str(DEMO.with_name("isolated.toml"))) as pipeline:
            first = self.paint(pipeline, "first.png")
            processes = children("gesso-plugin-host")
            self.assertEqual(len(processes), 2)
            for process in processes:
                os.kill(process, signal.SIGSEGV)
            for _ in processes:  # one is asked after the other
                with self.assertRaises(self.host.GessoError) as caught:
                    self.paint(pipeline, "lost.png")
                self.assertRegex(str(caught.exception), r"org\.gesso\.[a-z_.]+ \(in a process of its own.*"
                                 r"its process ended: signal 11 \(Segmentation fault\)")
            self.assertEqual(self.paint(pipeline, "again.png"), first)
        until = time.monotonic() + 10
        while children("gesso-plugin-host") and time.monotonic() < until:
            time.sleep(0.05)
        self.assertEqual(children("gesso-plugin-host"), [])


class Trust(ProgramTest):
    """A plugin of a stranger: a scheduler of Gesso under another id."""

    def setUp(self):
        super().setUp()
        self.plugin = self.folder / "stranger"
        shutil.copytree(PLUGINS / "flow_match", self.plugin)
        self.manifest = self.plugin / "flow_match.gesso.toml"

    def listed(self, *arguments, code=0, **environment):
        done = self.gesso(*arguments, "--plugin-path", self.plugin, "plugins", "--json", code=code, **environment)
        return {c["path"]: c for c in json.loads(done.stdout)["candidates"]}[str(self.manifest)]

    def test_no_third_party(self):
        self.assertTrue(self.listed()["accepted"])
        refused = self.listed("--no-third-party")
        self.assertFalse(refused["accepted"])
        self.assertIn("came with this build", refused["reason"])
        doctor = self.gesso("--no-third-party", "--plugin-path", self.plugin, "doctor", code=1)
        self.assertRegex(doctor.stdout, r"ok +org\.gesso\.flow_match\b")
        self.assertIn("is a third party's", doctor.stdout)

    def test_an_allow_list(self):
        self.assertIn("is not trusted", self.listed("--trusted-plugin", "org.example.x")["reason"])
        self.assertTrue(self.listed("--trusted-plugin", "org.gesso.*")["accepted"])
        self.assertIn("is not trusted", self.listed(GESSO_TRUSTED_PLUGINS="shipped,org.example.x")["reason"])
        done = self.gesso("--trusted-plugin", "nonsense", "plugins", code=2)
        self.assertIn('"nonsense" is no entry', done.stderr)

    def test_files_that_anybody_can_replace(self):
        (self.plugin / "flow_match.so").chmod(0o777)
        refused = self.listed()
        self.assertIn("everybody may write to", refused["reason"])
        done = self.gesso("--plugin-path", self.plugin, "plugins", "list", "--why")
        self.assertIn("everybody may write to", done.stdout)
        self.assertIn("org.gesso.flow_match.scheduler", done.stdout)  # the one of the build
        self.assertTrue(self.listed("--allow-writable-plugins")["accepted"])

    def test_signing(self):
        before = self.manifest.read_text()
        digest = self.gesso("plugins", "sign", self.manifest).stdout.strip()
        library = self.plugin / "flow_match.so"
        self.assertEqual(digest, hashlib.sha256(library.read_bytes()).hexdigest())
        once = self.manifest.read_text()
        self.assertEqual(once.replace(f'sha256 = "{digest}"\n', ""), before)
        self.gesso("plugins", "sign", self.manifest)
        self.assertEqual(self.manifest.read_text(), once)
        doctor = ("--plugin-path", self.plugin, "doctor")
        self.assertRegex(self.gesso(*doctor, code=1).stdout, rf"ok +org\.gesso\.flow_match\b")
        described = self.gesso("--plugin-path", self.plugin, "plugins", "describe", "org.gesso.flow_match").stdout
        self.assertIn(digest, described)
        self.assertIn("nothing beyond its inputs", described)
        library.write_bytes(library.read_bytes() + b"\0")
        done = self.gesso(*doctor, code=1)
        self.assertRegex(done.stdout, rf"its SHA-256 is [0-9a-f]+, expected {digest}; it was changed or built anew")

    def test_a_manifest_without_a_library_is_not_signed(self):
        path = self.write("a.gesso.toml", "manifest = 1\n")
        self.assertIn("no line library", self.gesso("plugins", "sign", path, code=2).stderr)


if __name__ == "__main__":
    unittest.main()
