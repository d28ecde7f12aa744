"""samples/hosts: each is built and run with the demo model."""

import json
import os
import subprocess
import sys
import unittest

from stranger import DEMO, PREFIX, SAMPLES, StrangerTest
from test_plugins import write_safetensors

HOSTS = SAMPLES / "hosts"


class Hosts(StrangerTest):
    def test_minimal_c(self):
        paint = self.build(HOSTS / "c") / "paint"
        self.run_command(paint, DEMO, "a red apple", "apple.png")
        self.png(self.folder / "apple.png")
        failed = self.run_command(paint, "missing.toml", "a red apple", "apple.png", code=1)
        self.assertIn("missing.toml", failed.stderr)

    def test_minimal_c_with_pkg_config(self):
        environment = {**os.environ, "PKG_CONFIG_PATH": str(PREFIX / "lib" / "pkgconfig")}
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "gesso"], env=environment, capture_output=True,
                               text=True, check=True).stdout.split()
        self.run_command("cc", HOSTS / "c" / "paint.c", *flags, f"-Wl,-rpath,{PREFIX}/lib", "-o", "paint")
        self.run_command("./paint", DEMO, "a rocket", "rocket.png")
        self.png(self.folder / "rocket.png")

    def test_cpp_swaps_while_it_runs(self):
        studio = self.build(HOSTS / "cpp") / "studio"
        name = "layers.0.attention.to_q"
        write_safetensors(self.folder / "style.safetensors",
                          {f"{name}.lora_A.weight": ([2, 192], 0.05), f"{name}.lora_B.weight": ([192, 2], 0.05)})
        commands = [f"open {DEMO}", "paint plain.png a red apple", "lora style.safetensors 1.0",
                    "paint styled.png a red apple", "scale style -0.5", "paint turned.png a red apple", "drop style",
                    "paint again.png a red apple", "policy stream", "paint streamed.png a red apple", "drop style",
                    f"open {DEMO.parent / 'train' / 'base.toml'}", f"open {DEMO}", "paint last.png a red apple"]
        done = self.run_command(studio, input="\n".join(commands), code=1)
        failed = [line for line in done.stdout.splitlines() if line.startswith("failed")]
        self.assertEqual(len(failed), 2, done.stdout)  # no such LoRA, a recipe is no pipeline: and it goes on
        plain, styled, turned, again, streamed, last = (
            self.png(self.folder / f"{name}.png") for name in ("plain", "styled", "turned", "again", "streamed", "last"))
        self.assertEqual(len({plain, styled, turned}), 3)
        self.assertEqual({plain}, {again, streamed, last})

    def test_python(self):
        self.run_command(sys.executable, HOSTS / "python" / "gesso.py", DEMO, "a red apple", "apple.png")
        self.png(self.folder / "apple.png")
        failed = self.run_command(sys.executable, HOSTS / "python" / "gesso.py", "missing.toml", "x", "x.png", code=1)
        self.assertIn("missing.toml", failed.stderr)

    def test_batch_worker(self):
        worker = self.build(HOSTS / "batch") / "worker"
        requests = ['{"id": 1, "prompt": "a red apple", "seed": 7, "out": "apple.png"}', "not JSON", '{"prompt": "a rocket"}',
                    '{"prompt": "a rocket", "sede": 1, "out": "rocket.png"}',
                    '{"id": "two", "prompt": ["a rocket", "a ghost"], "num_inference_steps": 2, "out": "{n}.png"}']
        done = self.run_command(worker, DEMO, input="\n".join(requests) + "\n")
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(answers[0], {"id": 1, "files": ["apple.png"]})
        self.assertEqual([("error" in answer) for answer in answers], [False, True, True, True, False], answers)
        self.assertIn("seed", answers[3]["error"])  # did you mean
        self.assertEqual(answers[4], {"id": "two", "files": ["1.png", "2.png"]})
        for name in ("apple", "1", "2"):
            self.png(self.folder / f"{name}.png")


if __name__ == "__main__":
    unittest.main()
