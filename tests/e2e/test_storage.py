"""Weights in fewer bits: on load, from a file, with LoRA; on the demo's own model."""

import json
import struct
import unittest

import tiny_models
from program import DEMO, ProgramTest, needs_demo
from test_demo import pixels

TRANSFORMER = DEMO.parent / "transformer"
# How far pictures may be from the one of the original weights: mean difference of a colour in 255.
FORMATS = {"fp8_scaled": 12, "int8_row": 6, "int8_w8a8": 12, "nf4": 40, "fp4": 50, "gguf.q8_0": 6}


def colours(rows, width=64):
    """Undoes the filters of a PNG's rows, three bytes a pixel."""
    stride, above, result = 3 * width, bytes(3 * width), bytearray()
    for at in range(0, len(rows), stride + 1):
        kind, row = rows[at], bytearray(rows[at + 1:at + 1 + stride])
        for i in range(stride):
            left, up = row[i - 3] if i >= 3 else 0, above[i]
            corner = above[i - 3] if i >= 3 else 0
            near = sorted((left, up, corner), key=lambda c: abs(left + up - corner - c))[0]
            row[i] = (row[i] + (0, left, up, (left + up) // 2, near)[kind]) % 256
        result += row
        above = row
    return result


def difference(a, b):
    return sum(abs(x - y) for x, y in zip(colours(a), colours(b))) / len(a)


def tensor_shapes(folder):
    return {name: shape for file in sorted(folder.glob("*.safetensors"))
            for name, (_, shape, _) in tiny_models.read_safetensors(file).items()}


@needs_demo
class Storage(ProgramTest):
    def draw(self, *arguments, name="a.png"):
        self.gesso("run", DEMO, "--set", "num_inference_steps=4", "--set", "seed=7", *arguments, "--out", name)
        return pixels(self.folder / name)

    def test_every_format_paints_nearly_the_same_picture_and_warns(self):
        plain = self.draw()
        for storage, limit in FORMATS.items():
            with self.subTest(storage=storage):
                found = self.draw("--set", f"components.denoiser.storage={storage}")
                self.assertNotEqual(found, plain)
                self.assertLess(difference(found, plain), limit)

    def test_a_file_in_a_format_is_the_same_as_making_it_on_load(self):
        for storage, file in (("nf4", "dit.safetensors"), ("int8_row", "dit8.safetensors"), ("q8_0", "dit.gguf")):
            with self.subTest(storage=storage):
                report = json.loads(self.gesso("quantize", TRANSFORMER, file, "--format", storage,
                                               "--json").stdout.splitlines()[-1])
                self.assertGreater(report["bytes_before"], 1.8 * report["bytes_after"])
                self.assertGreater(report["error"], 0)
                self.assertEqual(self.draw("--set", f"components.denoiser.path={self.folder / file}"),
                                 self.draw("--set", f"components.denoiser.storage={storage}"))
                told = self.gesso_json("inspect", file, "--json")
                self.assertIn("denoiser", told["summary"])
                self.assertIn(report["format"], told["formats"])

    def test_a_lora_acts_on_quantised_weights_and_leaves_no_trace(self):
        shapes = tensor_shapes(TRANSFORMER)
        lora = {}
        for layer in ("layers.0.attention.to_q", "layers.0.feed_forward.w2"):
            rows, columns = shapes[f"{layer}.weight"]
            lora[f"{layer}.lora_A.weight"] = [4, columns]
            lora[f"{layer}.lora_B.weight"] = [rows, 4]
        tiny_models.write_safetensors(self.folder / "style.safetensors", lora, scale=0.5)
        for storage in ("nf4", "fp8_e4m3", "gguf.q8_0", "int8_w8a8"):
            with self.subTest(storage=storage):
                quantised = ("--set", f"components.denoiser.storage={storage}")
                before = self.draw(*quantised)
                with_lora = self.draw(*quantised, "--lora", "style.safetensors")
                self.assertNotEqual(with_lora, before)
                self.assertEqual(self.draw(*quantised, "--lora", "style.safetensors@0"), before)
                self.assertEqual(self.draw(*quantised), before)

    def test_products_of_int8_numbers_are_asked_for_by_name(self):
        def with_storage(name):
            return self.draw("--set", f"components.denoiser.storage={name}")
        products, decoded = with_storage("int8_w8a8"), with_storage("int8_row")
        self.assertNotEqual(products, decoded)
        self.assertEqual(with_storage("torchao_int8_w8a8"), products)
        self.assertEqual(with_storage("torchao_int8_w8a16"), decoded)
        for policy in ("stream", "offload"):
            self.assertEqual(self.draw("--set", "components.denoiser.storage=int8_w8a8",
                                       "--set", f"memory.policy={policy}"), products)
        self.gesso("quantize", TRANSFORMER, "dit.safetensors", "--format", "int8_row", "--quiet")
        told = self.gesso("run", DEMO, "--set", "num_inference_steps=4", "--set", "seed=7", "--out", "b.png", "--set",
                          f"components.denoiser.path={self.folder}/dit.safetensors", "--set",
                          "components.denoiser.storage=int8_w8a8").stderr
        self.assertNotIn("already", told)
        self.assertEqual(pixels(self.folder / "b.png"), products)

    def test_excluded_modules_stay_and_wrong_names_are_told(self):
        everything = self.draw("--set", "components.denoiser.storage=nf4")
        some = self.draw("--set", "components.denoiser.storage=nf4", "--set",
                         "components.denoiser.exclude_modules=[\"w1\", \"w2\", \"w3\"]")
        self.assertNotEqual(everything, some)
        text = self.gesso("run", DEMO, "--set", "components.denoiser.storage=nf4", "--set",
                          "components.denoiser.exclude_modules=w9", code=2).stderr
        self.assertIn('no module is called "w9"', text)

    def test_formats_that_there_are_not_are_refused_with_the_reason(self):
        def refused(value):
            return self.gesso("run", DEMO, "--set", f"components.denoiser.storage={value}", code=2).stderr
        self.assertIn('did you mean "nf4"?', refused("nf5"))
        self.assertIn("Blackwell", refused("torchao_nvfp4_w4a16"))
        self.assertIn("needs components.denoiser.storage", self.gesso(
            "run", DEMO, "--set", "components.denoiser.target_modules=w1", code=2).stderr)

    def test_a_model_of_few_steps_warns_of_fewer_bits(self):
        told = self.gesso("run", DEMO, "--set", "num_inference_steps=1", "--set",
                          "components.denoiser.storage=nf4", "--out", "a.png").stderr
        self.assertIn("weights stored as nf4", told)

    def test_damaged_statistics_are_told_with_the_tensor(self):
        self.gesso("quantize", TRANSFORMER, "dit.safetensors", "--format", "nf4", "--quiet")
        data = (self.folder / "dit.safetensors").read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        header = data[8:8 + size].replace(b"w1.weight.absmax", b"w1.weight.absmix", 1)
        (self.folder / "dit.safetensors").write_bytes(data[:8] + header + data[8 + size:])
        text = self.gesso("run", DEMO, "--set", f"components.denoiser.path={self.folder}/dit.safetensors",
                          code=2).stderr
        self.assertIn("w1.weight", text)


if __name__ == "__main__":
    unittest.main()
