"""Memory policies, limits, plans and traces, on the tiny models and the demo."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

import tiny_models
from program import DEMO, ProgramTest, needs_demo
from test_demo import pixels

SAMPLES = DEMO.parent.parent / "z_image"
SIZE = 64
TINY = ("--set", "components.text_encoder.token_ids_modulo_vocab=true", "--set", "dtype=f32",
        "--set", f"height={SIZE}", "--set", f"width={SIZE}", "--set", "num_inference_steps=2")
ON_SIM = ("--set", "memory.policy=stream", "--set", "memory.computation_device=sim:0")


class LowVram(ProgramTest):
    @classmethod
    def setUpClass(cls):
        shared = tempfile.TemporaryDirectory(prefix="gesso-tiny-")
        cls.addClassCleanup(shared.cleanup)
        cls.shared = Path(shared.name)
        tiny_models.make_models(cls.shared / "models")
        shutil.copytree(SAMPLES, cls.shared / "z_image")
        tiny_models.make_pictures(cls.shared / "z_image/inference/data", SIZE)

    def draw(self, sample, *arguments, out="a.png"):
        self.gesso("run", sample, *TINY, "--set", f"local_model_path={self.shared / 'models'}", "--set", "seed=3",
                   *arguments, "--out", out)
        return pixels(self.folder / out)

    def test_every_low_vram_sample_gives_the_picture_of_its_twin(self):
        twins = sorted((self.shared / "z_image/inference_low_vram").glob("*.toml"))
        self.assertEqual([twin.name for twin in twins],
                         sorted(path.name for path in (self.shared / "z_image/inference").glob("*.toml")))
        for twin in twins:
            with self.subTest(twin=twin.name):
                self.assertEqual(self.draw(twin), self.draw(self.shared / "z_image/inference" / twin.name))

    def test_a_lora_acts_the_same_wherever_weights_are(self):
        sample = self.shared / "z_image/inference/Z-Image-Turbo.toml"
        lora = self.folder / "style.safetensors"
        dit = tiny_models.config_of("pipeline/t2i", "dit")
        tiny_models.write_safetensors(lora, tiny_models.lora_shapes(dit, 4), scale=0.5)
        fused = self.write("fused.toml", f'extends = "{sample}"\n[[adapters]]\npath = "style.safetensors"\nmode = "fuse"\n')
        for file, more in ((sample, ("--lora", lora)), (fused, ())):
            plain = self.draw(file, *more)
            self.assertEqual(self.draw(file, *more, *ON_SIM, "--set", "memory.vram_limit=0.02"), plain)


@needs_demo
class Memory(ProgramTest):
    FEW = ("--set", "num_inference_steps=2", "--set", "seed=7")

    def draw(self, *arguments, out="a.png", code=0):
        done = self.gesso("run", DEMO, *self.FEW, *arguments, "--out", out, code=code)
        return done.stderr if code else pixels(self.folder / out)

    def plan(self, *arguments):
        return self.gesso_json("plan", DEMO, *self.FEW, "--json", *arguments)

    def test_every_policy_gives_the_same_picture(self):
        resident = self.draw()
        for name, policy in (("stream", ("memory.policy=stream",)), ("auto", ("memory.policy=auto",)),
                             ("offload", ("memory.policy=offload", "memory.offload_device=disk", "memory.onload_device=disk")),
                             ("sim", ("memory.policy=stream", "memory.computation_device=sim:0")),
                             ("layers", ("memory.policy=offload", "memory.offload_device=cpu", "memory.onload_device=cpu",
                                         "memory.preparing_device=sim:0", "memory.computation_device=sim:0",
                                         "memory.vram_limit=0.03")),
                             ("one", ("memory.policy=stream", "components.denoiser.memory.computation_device=sim:0"))):
            with self.subTest(policy=name):
                sets = [part for key in policy for part in ("--set", key)]
                self.assertEqual(self.draw(*sets), resident)

    def test_fp8_storage_changes_the_picture_a_little(self):
        fp8 = [part for state in ("offload", "onload", "preparing")
               for part in ("--set", f"components.denoiser.memory.{state}_dtype=float8_e4m3fn")]
        self.assertNotEqual(self.draw("--set", "memory.policy=offload", *fp8), self.draw())

    def test_the_smallest_limit_of_the_plan_is_enough_and_less_is_refused_before_work(self):
        plan = self.plan(*ON_SIM, "--limits", "0,16")
        self.assertTrue(all(limit["fits"] for limit in plan["limits"]))
        self.assertEqual([stage["stage"] for stage in plan["limits"][0]["stages"]], ["compose", "denoise", "decode"])
        smallest = plan["smallest_limit"]
        resident = self.draw()
        self.assertEqual(self.draw(*ON_SIM, "--set", f"memory.vram_limit={smallest / 2**30}"), resident)
        less = (smallest - 2 * 2**20) / 2**30
        text = self.draw(*ON_SIM, "--set", f"memory.vram_limit={less}", code=1)
        self.assertIn("is too small", text)
        self.assertIn(f"The smallest limit that would do is {smallest / 2**30:.2f} GiB", text)
        self.assertNotIn("denoise 1/2", text)

    def test_a_limit_on_main_memory_counts_the_process(self):
        text = self.draw("--set", "memory.policy=stream", "--set", "memory.vram_limit=0.05", code=1)
        self.assertIn("memory.vram_limit of 0.05 GiB is too small", text)

    def test_plan_tells_components_stages_and_limits(self):
        text = self.gesso("plan", DEMO, "--memory", "stream", "--limits", "0,0.01", "--svg", "plan.svg").stdout
        for word in ("COMPONENT", "denoiser", "decode", "does not fit", "smallest limit that would do"):
            self.assertIn(word, text)
        svg = (self.folder / "plan.svg").read_text()
        self.assertTrue(svg.startswith("<svg") and svg.rstrip().endswith("</svg>"))
        self.assertIn("no limit", svg)

    def test_a_trace_shows_loads_moves_and_computes(self):
        done = self.gesso("run", DEMO, *self.FEW, "--set", "memory.policy=stream", "--trace", "trace.json", "--out", "a.png")
        events = json.loads((self.folder / "trace.json").read_text())["traceEvents"]
        kinds = {event.get("cat") for event in events}
        self.assertTrue({"stage", "compute", "move", "read"} <= kinds, kinds)
        self.assertIn("denoiser.layers.0", {event["name"] for event in events})
        self.assertIn("memory: org.gesso.stream.policy moved", done.stderr)

    def test_wrong_settings_are_told_with_their_place(self):
        for key, value, expected in (("policy", "strem", "there is no memory policy \"strem\""),
                                     ("policy", "org.gesso.flux_vae.codec", "there is no memory policy"),
                                     ("offload_device", "gpu", "there is no device \"gpu\""),
                                     ("onload_dtype", "fp9", "\"fp9\" is not one of"),
                                     ("computation_device", "sim:x", "there is no device"),
                                     ("vram_limit", "-1", "less than the least allowed"),
                                     ("vram_limt", "4", "did you mean \"vram_limit\"")):
            with self.subTest(key=key, value=value):
                text = f'extends = "{DEMO}"\n[memory]\n{key} = {value if value[-1].isdigit() and key.startswith("vram") else json.dumps(value)}\n'
                told = self.gesso("run", self.write("bad.toml", text), code=2).stderr
                self.assertIn("bad.toml:3:", told)
                self.assertIn(expected, told)
        for device, expected in (("cuda:0", "built without CUDA"), ("disk", "while it is computed with")):
            self.assertIn(expected, self.draw("--set", "memory.policy=stream", "--set",
                                              f"memory.computation_device={device}", code=2 if device == "cuda:0" else 1))

    def test_both_ways_to_name_a_policy_at_once_are_refused(self):
        text = self.draw("--set", "memory.policy=stream", "--set", "components.memory_policy.id=org.gesso.auto.policy", code=2)
        self.assertIn("keep one of them", text)

    def test_bench_tells_memory_and_traffic(self):
        report = self.gesso_json("bench", "--pipeline", DEMO, "--steps", 1, "--memory", "stream")
        memory = report["memory"]
        self.assertEqual(memory["policy"], "org.gesso.stream.policy")
        for key in ("peak_anonymous", "peak_file_mapped", "bytes_moved", "bytes_read"):
            self.assertGreater(memory[key], 0, key)


if __name__ == "__main__":
    unittest.main()
