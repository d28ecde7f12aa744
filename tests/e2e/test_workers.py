"""Training by several processes that meet as a launcher tells them."""

import json
import os
import signal
import socket
import struct
import subprocess
import unittest

import tiny_models
from balls import BallsTest
from program import PROGRAM, needs_demo


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def break_latents(cache, row):
    """Writes a NaN into an encoded item, as if it had been encoded so."""
    file = cache / f"items/{row:06}.safetensors"
    header, data = tiny_models.read_header(file)
    begin = header["input_latents"]["data_offsets"][0]
    data = data[:begin] + struct.pack("<f", float("nan")) + data[begin + 4:]
    file.write_bytes(file.read_bytes()[:-len(data)] + data)
    index = json.loads((cache / "cache.json").read_text())
    tensors = tiny_models.read_safetensors(file)
    whole = b"".join(name.encode() + tensors[name][2] for name in sorted(tensors))
    index["items"][row]["crc32c"] = crc32c(whole)
    (cache / "cache.json").write_text(json.dumps(index))


def read_floats(file):
    """The float32 numbers of a safetensors file by name."""
    return {name: struct.unpack(f"<{len(data) // 4}f", data)
            for name, (_, _, data) in tiny_models.read_safetensors(file).items()}


@needs_demo
class Workers(BallsTest):
    def setUp(self):
        super().setUp()
        self.running = []

    def tearDown(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        super().tearDown()

    def recipe(self, output, **more):
        return super().recipe(output, **{"num_epochs": 2, "save_dtype": "f32", **more})

    def start(self, recipe, *words, count=2):
        port = free_port()
        started = []
        for rank in range(count):
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1",
                     "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            started.append(subprocess.Popen([PROGRAM, "train", str(recipe), *words], cwd=self.folder, text=True,
                                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                            env={**os.environ, **place}))
        self.running += started
        return started

    def together(self, recipe, *words, count=2):
        """Runs to the end; returns (code, stderr) of each."""
        workers = self.start(recipe, *words, count=count)
        ended = []
        for worker in workers:
            text = worker.communicate(timeout=300)[1]
            if "libgloo-dev" in text:
                self.skipTest("this build has no Gloo")
            ended.append((worker.returncode, text))
        return ended

    def succeed(self, *arguments, **more):
        for code, text in self.together(*arguments, **more):
            self.assertEqual(code, 0, text)

    def losses(self, output):
        lines = map(json.loads, (self.folder / output / "metrics.jsonl").read_text().splitlines())
        return [line["loss"] for line in lines if "loss" in line]

    def state(self, output, number):
        return (self.folder / output / f"state-{number}.safetensors").read_bytes()

    def test_two_workers_equal_one_with_a_batch_of_two(self):
        self.gesso("train", self.recipe("one", batch_size=2))
        self.succeed(self.recipe("two"))
        for one, two in zip(self.losses("one"), self.losses("two"), strict=True):
            self.assertAlmostEqual(one / two, 1, delta=2e-6)
        one, two = (read_floats(self.folder / name / "step-4.safetensors") for name in ("one", "two"))
        self.assertEqual(one.keys(), two.keys())
        for name in one:
            for a, b in zip(one[name], two[name], strict=True):
                self.assertAlmostEqual(a, b, delta=5e-6)  # steps are up to 1e-3 long

    def test_shared_out_states_and_gradients_give_the_same_bits(self):
        more = {"ema_decay": 0.9, "max_grad_norm": 1.0}
        self.succeed(self.recipe("whole", **more))
        for stage in (1, 2):
            with self.subTest(zero_stage=stage):
                self.succeed(self.recipe(f"stage{stage}", zero_stage=stage, **more))
                self.assertEqual(self.state(f"stage{stage}", 4), self.state("whole", 4))
                report = self.folder / f"stage{stage}/step-4-ema.safetensors"
                self.assertEqual(report.read_bytes(), (self.folder / "whole/step-4-ema.safetensors").read_bytes())

    def test_values_are_not_shared_out(self):
        for code, text in self.together(self.recipe("out", zero_stage=3)):
            self.assertEqual(code, 2, text)
            self.assertIn("train.zero_stage: 3 with several workers", text)
        self.gesso("train", self.recipe("alone", zero_stage=3))

    def test_a_run_goes_on_with_the_same_workers_or_others(self):
        self.succeed(self.recipe("whole", zero_stage=1))
        recipe = self.recipe("parts", zero_stage=1)
        self.succeed(recipe, "--set", "train.num_epochs=1")
        before = self.state("parts", 2)
        self.succeed(recipe, "--resume")
        self.assertEqual(self.state("parts", 4), self.state("whole", 4))
        (self.folder / "parts/state-4.safetensors").unlink()
        (self.folder / "parts/state-2.safetensors").write_bytes(before)
        wrong = self.gesso("train", recipe, "--resume", code=2).stderr
        self.assertIn("batches of 2 over all workers", wrong)
        self.gesso("train", recipe, "--resume", "--set", "train.batch_size=2")
        self.assertEqual(len(self.losses("parts")), 4)

    def test_a_lost_worker_is_named_and_the_run_goes_on_from_its_state(self):
        self.succeed(self.recipe("whole", num_epochs=3))
        recipe = self.recipe("lost", num_epochs=3)
        first, second = self.start(recipe, "--json", "--set", "train.num_epochs=100000")
        for line in first.stdout:
            if json.loads(line).get("event") == "metric" and json.loads(line).get("step") == 2:
                break
        second.send_signal(signal.SIGKILL)
        text = first.communicate(timeout=60)[1]
        self.assertEqual(first.returncode, 1, text)
        self.assertRegex(text, r"worker 1 \(.+, process \d+\): lost")
        for state in (self.folder / "lost").glob("state-*"):
            if int(state.stem[6:]) > 5:
                self.skipTest("the run was faster than the test")
        self.succeed(recipe, "--resume")
        self.assertEqual(self.state("lost", 6), self.state("whole", 6))

    def test_what_ends_one_worker_ends_all_with_its_name(self):
        (self.folder / "grey.png").write_bytes(b"no picture")
        for code, text in self.together(self.recipe("bad")):
            self.assertNotEqual(code, 0)
            self.assertIn("grey.png", text)
        ended = self.together(self.recipe("wild", on_error="skip", learning_rate=1e30))
        for code, text in ended:
            self.assertEqual(code, 1, text)
            self.assertIn("not finite" if "not finite" in text else "the loss is", text)
        self.assertRegex("".join(text for _, text in ended), r"worker \d \(.+\): micro-batch")

    def test_a_loss_that_is_no_number_at_one_worker_ends_both(self):
        """One of two workers has it; both name it, and go on from the last good state."""
        self.gesso("train", self.recipe("cache", task="sft:data_process"))
        break_latents(self.folder / "cache", 2)
        for stage in (0, 2):
            with self.subTest(zero_stage=stage):
                out = f"out{stage}"
                ended = self.together(self.recipe(out, task="sft:train", dataset_base_path="cache", num_epochs=1,
                                                  zero_stage=stage))
                texts = [text for _, text in ended]
                self.assertEqual([code for code, _ in ended], [1, 1], texts)
                for text in texts:
                    self.assertIn("the loss is nan at", text)
                    self.assertIn("metadata.csv:4", text)
                good = len(self.losses(out))
                self.assertLess(good, 2)
                self.assertFalse((self.folder / out / "step-2.safetensors").exists())
                self.assertEqual((self.folder / out / "step-1.safetensors").exists(), good == 1)

    def test_a_launcher_that_says_too_little_is_told(self):
        recipe = self.recipe("out")
        wrong = self.gesso("train", recipe, code=2, WORLD_SIZE="2").stderr
        self.assertIn("RANK is not set", wrong)
        wrong = self.gesso("train", recipe, code=2, WORLD_SIZE="2", RANK="2").stderr
        self.assertIn('RANK is "2"; expected a number from 0 to 1', wrong)


if __name__ == "__main__":
    unittest.main()
