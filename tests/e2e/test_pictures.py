"""What pictures must be whatever the model, and what happens to bad input; on the demo's weights."""

import json
import shutil
import struct
import sys
import unittest

import tiny_models
from program import DEMO, ProgramTest, needs_demo
from test_demo import pixels

sys.path.insert(0, str(DEMO.parent / "train"))

SAMPLES = DEMO.parent.parent
FEW_STEPS = ("--set", "num_inference_steps=2")


def tensor_span(path, name):
    """First byte and end of a tensor's data in a safetensors file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    begin, end = json.loads(data[8:8 + length])[name]["data_offsets"]
    return 8 + length + begin, 8 + length + end


@needs_demo
class Pictures(ProgramTest):
    def draw(self, name, *arguments, pipeline=DEMO):
        self.gesso("run", pipeline, *FEW_STEPS, *arguments, "--out", name)
        return pixels(self.folder / name)

    def copy_of_demo(self):
        shutil.copytree(DEMO.parent, self.folder / "emoji")
        return self.folder / "emoji" / "emoji.toml"

    def test_every_sample_runs(self):
        samples = sorted((SAMPLES / "emoji").glob("*.toml"))  # the others: test_variants.py, test_training.py
        self.assertTrue(samples)
        for number, sample in enumerate(samples):
            with self.subTest(sample=sample.name):
                self.gesso("check", sample)
                self.gesso("run", sample, *FEW_STEPS, "--out", f"{number}-{{index}}.png")

    def test_edges_by_the_preprocessor_and_by_the_script_are_the_same(self):
        from pictures import canny, read_png
        drawing = DEMO.parent / "controlnet/drawing.png"
        width, height, rows = read_png(drawing)
        edges = canny(width, height, rows)
        self.assertGreater(len(edges), 50)
        tiny_models.write_png(self.folder / "map.png", width, height, lambda x, y: (255 * ((x, y) in edges),) * 3)
        ours, others, without = (
            self.draw(f"{n}.png", "--set", f"controlnet_inputs=[{{ {control} }}]", pipeline=DEMO.parent / "control.toml")
            for n, control in enumerate(('image = "map.png"', f'image = "{drawing}", processor_id = "canny"',
                                         'image = "map.png", scale = 0.0')))
        self.assertEqual(ours, others)
        self.assertNotEqual(ours, without)

    def test_a_picture_gives_the_ink(self):
        from pictures import read_png
        warmth = {}
        for name in ("drawing", "other"):  # blue, orange
            shown = DEMO.parent / f"i2l/{name}.png"
            self.draw(f"{name}.png", "--set", "prompt=a red apple", "--set", "seed=1", "--set", "num_inference_steps=8",
                      "--set", f'image2lora_images=["{shown}"]', pipeline=DEMO.parent / "i2l.toml")
            rows = read_png(self.folder / f"{name}.png")[2]
            warmth[name] = sum(row[i] - row[i + 2] for row in rows for i in range(0, len(row), 3)) / sum(map(len, rows)) * 3
        self.assertLess(warmth["drawing"] + 10, warmth["other"])

    def test_a_picture_of_a_batch_equals_the_picture_alone(self):
        for guidance in ("cfg_scale=1", "cfg_scale=3"):
            with self.subTest(guidance=guidance):
                self.gesso("run", DEMO, *FEW_STEPS, "--set", guidance, "--set", 'prompt=["a red apple", "a much longer prompt of a fish"]',
                           "--set", "seed=[4, 5]", "--out", "batch-{index}.png")
                first = self.draw("one.png", "--set", guidance, "--set", "prompt=a red apple", "--set", "seed=4")
                second = self.draw("two.png", "--set", guidance, "--set", "prompt=a much longer prompt of a fish", "--set", "seed=5")
                batch = sorted(self.folder.glob("batch-*.png"))
                self.assertEqual([pixels(path) for path in batch], [first, second])

    def test_both_numerics_draw_nearly_the_same(self):
        precise = self.draw("a.png", "--set", "seed=3", "--set", "numerics=precise")
        reference = self.draw("b.png", "--set", "seed=3", "--set", "numerics=diffsynth")
        self.assertEqual(len(precise), len(reference))

    def test_bf16_draws(self):
        self.draw("a.png", "--set", "dtype=bf16", "--set", "numerics=diffsynth")

    def test_an_image_can_be_the_start(self):
        self.draw("start.png", "--set", "seed=1")
        near = self.draw("near.png", "--set", "seed=2", "--set", "input_image=start.png", "--set", "denoising_strength=0.05")
        self.assertNotEqual(near, self.draw("far.png", "--set", "seed=2"))

    def test_an_image_of_another_size_is_refused_with_both_sizes(self):
        self.draw("start.png")
        done = self.gesso("run", DEMO, "--set", "input_image=start.png", "--set", "width=96", "--out", "a.png", code=2)
        self.assertIn("64x64", done.stderr)
        self.assertIn("96x64", done.stderr)

    def test_sizes_are_rounded_up_and_it_is_said(self):
        done = self.gesso("run", DEMO, *FEW_STEPS, "--set", "width=70", "--out", "a.png")
        self.assertIn("width 70 is rounded up to 80", done.stderr)

    def test_a_long_prompt_is_cut_with_a_warning_and_an_empty_one_is_fine(self):
        done = self.gesso("run", DEMO, *FEW_STEPS, "--set", "prompt=" + "word " * 600, "--out", "a.png")
        self.assertIn("512", done.stderr)
        self.draw("empty.png", "--set", "prompt=''")

    def test_tiled_decoding_gives_a_picture_of_the_same_size(self):
        whole = self.draw("a.png", "--set", "height=128", "--set", "width=128")
        tiled = self.draw("b.png", "--set", "height=128", "--set", "width=128", "--set", "tiled=true", "--set", "tile_size=8",
                          "--set", "tile_stride=4")
        self.assertEqual(len(whole), len(tiled))

    def test_jpeg_and_webp_are_written(self):
        for name, start in (("a.jpg", b"\xff\xd8"), ("a.webp", b"RIFF")):
            self.gesso("run", DEMO, *FEW_STEPS, "--out", name)
            self.assertEqual((self.folder / name).read_bytes()[:len(start)], start)

    def test_nan_in_weights_is_named_with_stage_and_step(self):
        pipeline = self.copy_of_demo()
        weights = self.folder / "emoji/transformer/diffusion_pytorch_model.safetensors"
        begin, end = tensor_span(weights, "all_final_layer.2-1.linear.bias")
        data = bytearray(weights.read_bytes())
        data[begin:end] = b"\xc0\x7f" * ((end - begin) // 2)  # bf16 NaN
        weights.write_bytes(data)
        done = self.gesso("run", pipeline, *FEW_STEPS, "--out", "a.png", code=1)
        self.assertIn("denoise step 1 of 2", done.stderr)
        self.assertIn("NaN", done.stderr)
        self.assertFalse((self.folder / "a.png").exists())

    def test_a_truncated_file_is_a_wrong_request(self):
        pipeline = self.copy_of_demo()
        weights = self.folder / "emoji/vae/diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        done = self.gesso("run", pipeline, "--out", "a.png", code=2)
        self.assertIn("interrupted", done.stderr)
        self.assertIn("emoji.toml:", done.stderr)

    def test_a_wrong_component_says_what_it_looks_like(self):
        done = self.gesso("run", DEMO, "--set", f"components.denoiser.path='{DEMO.parent / 'vae'}'", "--out", "a.png", code=2)
        self.assertIn("org.gesso.flux_vae.codec", done.stderr)

    def test_what_is_no_image_is_refused(self):
        self.write("a.txt", "no picture")
        done = self.gesso("run", DEMO, "--set", "input_image=a.txt", "--out", "a.png", code=2)
        self.assertIn("a.txt", done.stderr)

    def test_a_file_where_the_folder_should_be_is_told_before_computing(self):
        self.write("out", "")
        done = self.gesso("run", DEMO, "--out", "out/a.png", code=2)
        self.assertNotIn("denoise", done.stderr)

    def test_the_boundary_costs_less_than_a_hundredth_of_a_step(self):
        report = json.loads(self.gesso("bench", "--pipeline", DEMO).stdout)
        self.assertLess(report["boundary_share"], 0.01)


if __name__ == "__main__":
    unittest.main()
