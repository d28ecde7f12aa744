"""Bad input of every kind: a clear error, the right exit code, nothing half-written."""

import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import time
import unittest

from program import DEMO, PROGRAM, ProgramTest, needs_demo
from test_pictures import FEW_STEPS, tensor_span


NOBODY = 65534


def packed(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(begin, end, shape=None, dtype="F32"):
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}


HOSTILE = {
    "empty": b"",
    "shorter than a length": b"\x08\0\0",
    "a header longer than the file": struct.pack("<Q", 1 << 20) + b"{}",
    "a header of exabytes": struct.pack("<Q", (1 << 63) - 1) + b"{}",
    "no JSON": packed(b"{not json"),
    "a list": packed([1, 2]),
    "nested without end": packed(b'{"a":' * 100_000),
    "overlap": packed({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)),
    "gap": packed({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)),
    "beyond the end": packed({"a": entry(0, 400)}, bytes(8)),
    "begin behind end": packed({"a": entry(8, 0, [2])}, bytes(8)),
    "a negative offset": packed({"a": entry(-4, 4, [2])}, bytes(8)),
    "a shape that overflows": packed({"a": entry(0, 0, [1 << 40, 1 << 40])}),
    "a negative extent": packed({"a": entry(0, 8, [-2])}, bytes(8)),
    "another size": packed({"a": entry(0, 8, [3])}, bytes(8)),
    "an unknown type": packed({"a": entry(0, 8, [2], "F33")}, bytes(8)),
    "a name twice": packed(b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'),
    "rest behind the data": packed({"a": entry(0, 8)}, bytes(16)),
}


class HostileFiles(ProgramTest):
    def test_hostile_safetensors_are_refused(self):
        for what, data in HOSTILE.items():
            with self.subTest(what=what):
                path = self.folder / "bad.safetensors"
                path.write_bytes(data)
                done = self.gesso("inspect", path, code=2)
                self.assertIn("bad.safetensors", done.stderr)
                self.assertLess(len(done.stderr), 2000)


@needs_demo
class BadRuns(ProgramTest):
    def setUp(self):
        super().setUp()
        self.demo = self.folder / "demo"
        shutil.copytree(DEMO.parent, self.demo)
        self.pipeline = self.demo / "emoji.toml"
        self.before = self.files()

    def files(self):
        return sorted(str(path) for path in self.folder.rglob("*"))

    def fails(self, *arguments, code, pipeline=None):
        """What is told; nothing new lies anywhere."""
        done = self.gesso("run", pipeline or self.pipeline, *FEW_STEPS, *arguments, "--out", "a.png", code=code)
        self.assertEqual(done.stdout, "")
        self.assertEqual(self.files(), self.before)
        return done.stderr

    def test_hostile_weights_end_before_anything_is_computed(self):
        weights = self.demo / "vae/diffusion_pytorch_model.safetensors"
        for what, data in HOSTILE.items():
            with self.subTest(what=what):
                weights.write_bytes(data)
                text = self.fails(code=2)
                self.assertIn("diffusion_pytorch_model.safetensors", text)
                self.assertIn("emoji.toml:", text)
                self.assertNotIn("denoise", text)

    def test_a_missing_shard_is_named(self):
        folder = self.demo / "transformer"
        (folder / "diffusion_pytorch_model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {
            "x_pad_token": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}))
        self.before = self.files()
        self.assertIn("model-00002-of-00002.safetensors", self.fails(code=2))

    def test_unknown_keys_anywhere_are_told_with_their_place(self):
        for text, expected in (("[generate]\npromt = 'x'", 'did you mean "prompt"'),
                               ("[components.denoiser]\npaht = 'x'", 'did you mean "path"'),
                               ("[components.denoisr]\npath = 'x'", "denoisr"),
                               ("nunerics = 'precise'", 'did you mean "numerics"')):
            with self.subTest(text=text):
                path = self.write("wrong.toml", f'extends = "demo/emoji.toml"\n{text}\n')
                self.before = self.files()
                told = self.fails(code=2, pipeline=path)
                self.assertRegex(told, r"wrong\.toml:\d+:\d+: ")
                self.assertIn(expected, told)

    def test_bad_toml_is_told_with_its_place(self):
        for text, place in (("variant = ", "1:"), ("variant = 'a'\nvariant = 'b'", "2:"), ("[generate\n", "1:"),
                            ("variant = 'a'\nseed = 1979-13-45", "2:")):
            with self.subTest(text=text):
                path = self.write("wrong.toml", text)
                self.before = self.files()
                self.assertIn(f"wrong.toml:{place}", self.fails(code=2, pipeline=path))

    def test_sizes_and_numbers_that_cannot_be(self):
        for setting in ("width=0", "height=-16", "width=1e9", "width=1000000000", "num_inference_steps=0", "cfg_scale=nan",
                        "sigma_shift=0", "sigma_shift=inf", "denoising_strength=2", "num_images=0", "seed=-5", "seed=x"):
            with self.subTest(setting=setting):
                self.assertIn(setting.split("=")[0], self.fails("--set", setting, code=2))

    def test_a_picture_too_large_for_the_machine_is_told_before_anything_is_computed(self):
        text = self.fails("--set", "width=1000000", "--set", "height=1000000", code=2)
        self.assertNotIn("denoise", text)

    def test_nan_is_named_with_its_stage(self):
        kinds = {"text_encoder/model.safetensors": ("model.embed_tokens.weight", "compose"),
                 "transformer/diffusion_pytorch_model.safetensors": ("all_final_layer.2-1.linear.bias", "denoise step 1 of 2"),
                 "vae/diffusion_pytorch_model.safetensors": ("decoder.conv_out.bias", "decode")}
        for name, (tensor, stage) in kinds.items():
            with self.subTest(stage=stage):
                path = self.demo / name
                whole = path.read_bytes()
                begin, end = tensor_span(path, tensor)
                path.write_bytes(whole[:begin] + b"\xc0\x7f" * ((end - begin) // 2) + whole[end:])
                text = self.fails(code=1)
                self.assertIn(stage, text)
                self.assertIn("NaN", text)
                path.write_bytes(whole)

    def test_nan_in_an_encoded_picture_is_named(self):
        self.gesso("run", self.pipeline, *FEW_STEPS, "--out", "start.png")
        path = self.demo / "vae/diffusion_pytorch_model.safetensors"
        whole = path.read_bytes()
        begin, end = tensor_span(path, "encoder.conv_in.bias")
        path.write_bytes(whole[:begin] + b"\xc0\x7f" * ((end - begin) // 2) + whole[end:])
        self.before = self.files()
        text = self.fails("--set", "input_image=start.png", code=1)
        self.assertIn("encode", text)
        self.assertIn("NaN", text)

    def test_a_disk_that_takes_no_more_leaves_nothing(self):
        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        done = subprocess.run([PROGRAM, "run", self.pipeline, *FEW_STEPS, "--out", "a.png"], cwd=self.folder, text=True,
                              capture_output=True, preexec_fn=small_files, restore_signals=False)  # SIGXFSZ stays ignored
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("a.png: cannot write", done.stderr)
        self.assertEqual(self.files(), self.before)

    def test_an_interrupt_at_any_moment_ends_with_1_and_leaves_nothing(self):
        for seconds in (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.1):
            with self.subTest(seconds=seconds):
                process = subprocess.Popen([PROGRAM, "run", self.pipeline, "--set", "num_inference_steps=1000", "--out", "a.png"],
                                           cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.wait_until_it_listens(process)
                time.sleep(seconds)
                process.send_signal(signal.SIGINT)
                out, errors = process.communicate(timeout=60)
                self.assertEqual((process.returncode, out), (1, ""), errors)
                self.assertIn("cancelled", errors)
                self.assertEqual(self.files(), self.before)

    def wait_until_it_listens(self, process):
        """The handler stands after the program's first few instructions."""
        for _ in range(1000):
            with open(f"/proc/{process.pid}/status") as status:
                caught = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt"))
            if caught >> (signal.SIGINT - 1) & 1:
                return
            time.sleep(0.002)
        self.fail("the program never caught SIGINT")

    def test_a_folder_without_write_permission_is_told_before_anything_is_loaded(self):
        locked = self.folder / "locked"
        locked.mkdir(mode=0o500)
        options = {}
        if os.geteuid() == 0:  # who may write everywhere
            options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            self.folder.chmod(0o755)
            if subprocess.run(["test", "-x", PROGRAM], **options).returncode != 0:
                self.skipTest("only root may run the program")
        done = subprocess.run([PROGRAM, "run", self.pipeline, "--out", "locked/a.png"], cwd=self.folder, text=True,
                              capture_output=True, **options)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("locked", done.stderr)
        self.assertNotIn("denoise", done.stderr)

    def test_a_full_disk_is_told_and_nothing_is_left(self):
        unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        (self.folder / "full").mkdir()
        full = "mount -t tmpfs -o size=4k tmpfs full && head -c 4096 /dev/zero >full/filler"
        if subprocess.run([*unshare, "sh", "-c", full], cwd=self.folder, capture_output=True).returncode != 0:
            self.skipTest("no file system may be mounted here")
        run = full + ' && "$@"; code=$?; ls -A full; exit $code'
        done = subprocess.run([*unshare, "sh", "-c", run, "sh", PROGRAM, "run", self.pipeline, *FEW_STEPS, "--out", "full/a.png"],
                              cwd=self.folder, text=True, capture_output=True)
        self.assertEqual((done.returncode, done.stdout), (1, "filler\n"), done.stderr)
        self.assertIn("full/a.png: cannot write", done.stderr)
        self.assertIn("No space left on device", done.stderr)


if __name__ == "__main__":
    unittest.main()
