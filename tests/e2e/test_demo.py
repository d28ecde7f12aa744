"""The demo, from the program to the picture."""

import json
import os
import signal
import subprocess
import unittest
import zlib

from program import DEMO, PROGRAM, ProgramTest, needs_demo

FEW_STEPS = ("--set", "num_inference_steps=2", "--set", "seed=7")


def pixels(path):
    """The bytes of an 8-bit RGB PNG without interlace; rows as they are filtered."""
    data, at, packed = path.read_bytes(), 8, b""
    assert data.startswith(b"\x89PNG\r\n\x1a\n"), f"{path} is no PNG"
    while at < len(data):
        size, kind = int.from_bytes(data[at:at + 4], "big"), data[at + 4:at + 8]
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += 12 + size
    return zlib.decompress(packed)


@needs_demo
class Demo(ProgramTest):
    def run_demo(self, *arguments):
        """The paths on stdout."""
        done = self.gesso("run", DEMO, *FEW_STEPS, *arguments)
        return [self.folder / line for line in done.stdout.splitlines()]

    def test_without_a_file_the_demo_runs(self):
        done = self.gesso("run", *FEW_STEPS, "--out", "a.png")
        self.assertEqual(done.stdout, f"{self.folder}/a.png\n")
        self.assertIn("seed 7", done.stderr)
        self.assertIn("denoise 2/2", done.stderr)
        self.assertGreater(len(set(pixels(self.folder / "a.png"))), 2)

    def test_the_same_seed_gives_the_same_file(self):
        (first,) = self.run_demo("--out", "one/{name}.png")
        (second,) = self.run_demo("--out", "two/{name}.png")
        self.assertEqual(first.read_bytes(), second.read_bytes())
        (other,) = self.run_demo("--out", "three/", "--set", "seed=8")
        self.assertNotEqual(pixels(first), pixels(other))

    def test_a_picture_is_enough_to_make_it_again(self):
        (first,) = self.run_demo("--out", "first.png", "--set", 'prompt="a blue circle"')
        self.gesso("run", "--from", first, "--out", "again.png")
        self.assertEqual(pixels(first), pixels(self.folder / "again.png"))
        self.gesso("run", "--from", first, "--out", "other.png", "--set", "seed=9")
        self.assertNotEqual(pixels(first), pixels(self.folder / "other.png"))

    def test_several_pictures_get_a_sheet(self):
        paths = self.run_demo("--set", "num_images=3", "--out", "{seed}.png")
        self.assertEqual([p.name for p in paths], ["7.png", "8.png", "9.png", "sheet-7.png"])
        self.assertTrue(all(p.exists() for p in paths))

    def test_two_pictures_for_one_name_are_refused(self):
        done = self.gesso("run", DEMO, "--set", "num_images=2", "--out", "a.png", code=2)
        self.assertIn("{seed}", done.stderr)

    def test_events_are_one_object_per_line(self):
        done = self.gesso("run", DEMO, *FEW_STEPS, "--json", "--out", "a.png")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        kinds = [event["event"] for event in events]
        self.assertEqual(kinds.count("step"), 2)
        self.assertIn("end", kinds)
        result = next(event for event in events if event["event"] == "result")
        self.assertEqual((result["path"], result["seed"]), (f"{self.folder}/a.png", 7))

    def test_quiet_tells_only_the_path(self):
        done = self.gesso("run", DEMO, *FEW_STEPS, "--quiet", "--out", "a.png")
        self.assertEqual((done.stdout, done.stderr), (f"{self.folder}/a.png\n", ""))

    def test_previews_are_written(self):
        self.gesso("run", DEMO, "--set", "num_inference_steps=3", "--preview-dir", "previews", "--out",
                   "a.png")
        self.assertEqual(len(list((self.folder / "previews").iterdir())), 2)

    def test_a_misspelt_parameter_is_told_with_advice(self):
        done = self.gesso("run", DEMO, "--set", "promt=x", code=2)
        self.assertIn('did you mean "prompt"?', done.stderr)

    def test_ctrl_c_ends_the_run_and_leaves_no_file(self):
        process = subprocess.Popen(
            [PROGRAM, "run", DEMO, "--set", "num_inference_steps=1000", "--out", "a.png"],
            cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in process.stderr:
            if line.startswith("denoise 2/"):
                break
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (1, ""), errors)
        self.assertIn("cancelled", errors)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_check_of_the_demo_finds_nothing(self):
        self.assertIn("ok", self.gesso("check", DEMO).stdout)

    def test_the_doctor_finds_everything_well(self):
        report = self.gesso_json("doctor", "--json")
        self.assertTrue(report["ok"])
        self.assertRegex(report["runtime"]["libtorch"], r"^\d+\.\d+")

    def test_a_measurement_is_complete(self):
        report = self.gesso_json("bench", "--pipeline", DEMO, "--steps", "2")
        for key in ("seconds_per_step", "gflops", "gemm_share", "text_encode_seconds",
                    "vae_decode_seconds", "load_seconds"):
            self.assertGreater(report[key], 0, key)
        self.assertGreater(report["memory"]["peak_rss"], 0)


if __name__ == "__main__":
    unittest.main()
