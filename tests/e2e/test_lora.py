"""LoRA files: from dialect to dialect, into weights, into one another, and out of weights."""

import json
import struct
import tempfile
import unittest
from pathlib import Path

import tiny_models
from program import ProgramTest
from test_demo import pixels
from test_variants import SAMPLES, TINY
from tiny_models import MODELS, read_header, read_safetensors, write_safetensors

LORAS = MODELS / "lora"
DIT = MODELS / "dit/diffusers.safetensors"
DIALECTS = {"diffsynth": "peft_default", "bare": "peft", "diffusers": "transformer", "diffusion_model": "diffusion_model",
            "kohya": "kohya", "lora_down": "up_down_alpha"}


def distance(a, b):
    """The largest difference of two pictures, as rows of bytes that may stand for differences."""
    return max(min((x - y) % 256, (y - x) % 256) for x, y in zip(a, b, strict=True))


def numbers(entry):
    """The values of a tensor of read_safetensors, bf16 or f32."""
    dtype, _, data = entry
    if dtype == "BF16":
        data = b"".join(b"\0\0" + data[at:at + 2] for at in range(0, len(data), 2))
    return struct.unpack(f"<{len(data) // 4}f", data)


def product(up, down, scale=1.0):
    """scale * up @ down, as rows."""
    (out, rank), (_, width) = up[1], down[1]
    b, a = numbers(up), numbers(down)
    return [[scale * sum(b[i * rank + k] * a[k * width + j] for k in range(rank)) for j in range(width)] for i in range(out)]


class Loras(ProgramTest):
    def convert(self, *arguments, code=0):
        done = self.gesso("convert", *arguments, "--json", code=code)
        return json.loads(done.stdout.splitlines()[-1]) if code == 0 else done.stderr

    def read(self, name):
        return read_safetensors(self.folder / name)

    def test_every_dialect_goes_there_and_back_bit_for_bit(self):
        for source, file in DIALECTS.items():
            original = read_safetensors(LORAS / f"{file}.safetensors")
            has_alpha = any(name.endswith(".alpha") for name in original)
            for dialect in [*DIALECTS, "peft"]:
                if has_alpha and dialect in ("peft", "diffusers"):
                    continue  # alpha is multiplied into the up parts there
                with self.subTest(source=source, dialect=dialect):
                    report = self.convert(LORAS / f"{file}.safetensors", "a.safetensors", "--layout", dialect)
                    self.assertEqual(report["from"]["dialect"], source)
                    self.assertEqual(report["rounded"], 0)
                    if dialect == source:
                        self.assertEqual(self.read("a.safetensors"), original)
                    self.convert("a.safetensors", "b.safetensors", "--layout", source)
                    self.assertEqual(self.read("b.safetensors"), original)

    def test_the_same_lora_has_the_same_files_in_dialects_without_alpha(self):
        for source in ("diffsynth", "bare", "diffusers", "diffusion_model"):
            for dialect in ("diffsynth", "bare", "diffusers", "diffusion_model"):
                self.convert(LORAS / f"{DIALECTS[source]}.safetensors", "a.safetensors", "--layout", dialect)
                self.assertEqual(self.read("a.safetensors"), read_safetensors(LORAS / f"{DIALECTS[dialect]}.safetensors"))

    def test_alpha_is_multiplied_into_the_up_part_where_readers_know_none(self):
        self.convert(LORAS / "kohya.safetensors", "a.safetensors", "--layout", "diffusers", "--format", "f32")
        kohya, new = read_safetensors(LORAS / "kohya.safetensors"), self.read("a.safetensors")
        name = "layers.0.attention.to_k"
        flat = "lora_unet_" + name.replace(".", "_")
        (alpha,) = numbers(kohya[f"{flat}.alpha"])
        scale = alpha / kohya[f"{flat}.lora_down.weight"][1][0]
        expected = numbers(kohya[f"{flat}.lora_up.weight"])
        for found, value in zip(numbers(new[f"transformer.{name}.lora_B.weight"]), expected):
            self.assertAlmostEqual(found, value * scale, delta=1e-7)
        self.assertFalse([name for name in new if name.endswith(".alpha")])

    def test_a_fused_projection_is_split_and_fused_again(self):
        fused = read_safetensors(LORAS / "comfy_fused_qkv.safetensors")
        self.convert(LORAS / "comfy_fused_qkv.safetensors", "a.safetensors", "--layout", "bare")
        split = self.read("a.safetensors")
        whole = fused["diffusion_model.layers.0.attention.qkv.lora_up.weight"]
        thirds = [split[f"layers.0.attention.to_{part}.lora_B.weight"] for part in "qkv"]
        self.assertEqual(b"".join(third[2] for third in thirds), whole[2])
        self.assertIn("layers.0.attention.to_out.0.lora_A.weight", split)
        self.convert("a.safetensors", "b.safetensors", "--layout", "comfy")
        self.assertEqual(self.read("b.safetensors"), fused)

    def test_projections_with_different_down_parts_are_fused_side_by_side(self):
        # Query and value are trained, key is not.
        shapes = tiny_models.lora_shapes({"dim": 64}, 3, targets=("attention.to_q", "attention.to_v"))
        write_safetensors(self.folder / "a.safetensors", shapes)
        self.convert("a.safetensors", "b.safetensors", "--layout", "comfy")
        fused = self.read("b.safetensors")
        stem = "diffusion_model.layers.0.attention.qkv"
        self.assertEqual(fused[f"{stem}.lora_down.weight"][1], [6, 64])
        self.assertEqual(numbers(fused[f"{stem}.alpha"]), (6.0,))
        whole = product(fused[f"{stem}.lora_up.weight"], fused[f"{stem}.lora_down.weight"])
        parts = self.read("a.safetensors")
        for at, name in ((0, "to_q"), (128, "to_v")):
            one = product(*(parts[f"layers.0.attention.{name}.lora_{side}.weight"] for side in "BA"))
            self.assertEqual(whole[at:at + 64], one)
        self.assertEqual({value for row in whole[64:128] for value in row}, {0.0})

    def test_several_loras_become_one(self):
        first, second = LORAS / "kohya.safetensors", LORAS / "second.safetensors"
        report = self.convert(first, "both.safetensors", "--scale", "0.5", "--lora", f"{second}@2", "--layout", "bare", "--format", "f32")
        self.assertEqual(report["ranks"], [2, 4, 6])
        both, a, b = self.read("both.safetensors"), read_safetensors(first), read_safetensors(second)
        name = "layers.0.attention.to_k"
        flat = "lora_unet_" + name.replace(".", "_")
        (alpha,) = numbers(a[f"{flat}.alpha"])
        one = product(a[f"{flat}.lora_up.weight"], a[f"{flat}.lora_down.weight"], 0.5 * alpha / 4)
        other = product(b[f"{name}.lora_B.default.weight"], b[f"{name}.lora_A.default.weight"], 2)
        found = product(both[f"{name}.lora_B.weight"], both[f"{name}.lora_A.weight"],
                        numbers(both[f"{name}.alpha"])[0] / 6 if f"{name}.alpha" in both else 1)
        for i, row in enumerate(found):
            for j, value in enumerate(row):
                self.assertAlmostEqual(value, one[i][j] + other[i][j], delta=1e-6)

        smaller = self.convert(first, "small.safetensors", "--lora", second, "--rank", "6", "--format", "f32")
        self.assertLess(smaller["error"], 1e-6)  # nothing is lost at the rank of the sum
        smaller = self.convert(first, "small.safetensors", "--lora", second, "--rank", "2")
        self.assertEqual(smaller["ranks"], [2])
        self.assertTrue(0.01 < smaller["error"] < 1, smaller)

    def test_a_merged_lora_is_the_fused_one_and_can_be_extracted_again(self):
        lora = LORAS / "kohya.safetensors"
        self.convert(DIT, "merged.safetensors", "--lora", lora, "--format", "f32")
        report = self.convert("merged.safetensors", "out.safetensors", "--base", DIT, "--rank", "4", "--layout", "kohya")
        self.assertLess(report["error"], 1e-3)
        self.assertEqual(report["modules"], 12)
        original, found = read_safetensors(lora), self.read("out.safetensors")
        self.assertEqual({name for name in found}, {name for name in original})
        flat = "lora_unet_layers_0_attention_to_k"
        (alpha,) = numbers(original[f"{flat}.alpha"])
        expected = product(original[f"{flat}.lora_up.weight"], original[f"{flat}.lora_down.weight"], alpha / 4)
        for row, wanted in zip(product(found[f"{flat}.lora_up.weight"], found[f"{flat}.lora_down.weight"]), expected):
            for value, one in zip(row, wanted):
                self.assertAlmostEqual(value, one, delta=1e-4)
        less = self.convert("merged.safetensors", "less.safetensors", "--base", DIT, "--rank", "1")
        self.assertTrue(0.05 < less["error"] < 1, less)

    def test_every_layout_and_format_takes_merged_loras(self):
        lora = LORAS / "peft.safetensors"
        self.convert(DIT, "plain.safetensors", "--lora", lora)
        self.convert(DIT, "comfy.safetensors", "--lora", lora, "--layout", "comfy")
        same = self.gesso_json("inspect", "--diff", "plain.safetensors", "comfy.safetensors", "--json")
        self.assertTrue(same["equal"])
        self.convert(DIT, "q8.gguf", "--lora", lora, "--format", "q8_0")
        self.convert("plain.safetensors", "expected.gguf", "--format", "q8_0", "--layout", "comfy")
        told = json.loads(self.gesso("inspect", "--diff", "q8.gguf", "plain.safetensors", "--json", code=1).stdout)
        self.assertLess(max(one["max_abs"] for one in told["different"]), 0.01)
        for other in ("lokr", "loha", "dora", "full"):
            self.convert(DIT, "other.safetensors", "--lora", LORAS / f"{other}.safetensors")
            told = json.loads(self.gesso("inspect", "--diff", "other.safetensors", DIT, "--json", code=1).stdout)
            self.assertEqual(len(told["different"]), 3, other)

    def test_wrong_requests_are_told(self):
        self.assertIn("not of low rank", self.convert(LORAS / "lokr.safetensors", "a.safetensors", code=2))
        self.assertIn('did you mean "kohya"?', self.convert(LORAS / "peft.safetensors", "a.safetensors", "--layout", "kohia", code=2))
        self.assertIn("f32, bf16 or f16", self.convert(LORAS / "peft.safetensors", "a.safetensors", "--format", "nf4", code=2))
        self.assertIn("needs a rank", self.convert(DIT, "a.safetensors", "--base", DIT, code=2))
        self.assertIn("no matrix differs", self.convert(DIT, "a.safetensors", "--base", DIT, "--rank", "4", code=2))
        self.assertIn("is no LoRA", self.convert(DIT, "a.safetensors", "--rank", "4", code=2))
        self.assertIn("means nothing for a LoRA", self.convert(LORAS / "peft.safetensors", "a.gguf", code=2))
        write_safetensors(self.folder / "flux.safetensors", {"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": [2, 8],
                                                             "transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight": [8, 2]})
        self.assertIn("a LoRA for FLUX", self.convert("flux.safetensors", "a.safetensors", code=2))
        self.assertIn("a LoRA for FLUX", self.convert(DIT, "a.safetensors", "--lora", "flux.safetensors", code=2))
        wrong = tiny_models.lora_shapes({"dim": 32}, 2, targets=("attention.to_q",))
        write_safetensors(self.folder / "small.safetensors", wrong)
        self.assertIn("expected 64 columns", self.convert(DIT, "a.safetensors", "--lora", "small.safetensors", code=2))
        self.assertFalse((self.folder / "a.safetensors").exists())

    def test_keys_that_match_nothing_are_left_out_on_request(self):
        shapes = tiny_models.lora_shapes({"dim": 64}, 2, targets=("attention.to_q",))
        shapes |= {"layers.0.nothing.lora_A.weight": [2, 64], "layers.0.nothing.lora_B.weight": [64, 2]}
        write_safetensors(self.folder / "a.safetensors", shapes)
        self.assertIn("layers.0.nothing", self.convert("a.safetensors", "b.safetensors", code=2))
        self.convert("a.safetensors", "b.safetensors", "--allow-unmatched")
        self.assertEqual(len(self.read("b.safetensors")), 2)

    def test_metadata_stays(self):
        header, body = read_header(LORAS / "peft.safetensors")
        header["__metadata__"] = {"format": "pt", "ss_base_model": "z-image"}
        text = json.dumps(header).encode()
        (self.folder / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
        self.convert("a.safetensors", "b.safetensors", "--layout", "kohya")
        self.assertEqual(read_header(self.folder / "b.safetensors")[0]["__metadata__"], header["__metadata__"])


class Pictures(ProgramTest):
    def test_merged_weights_draw_what_the_lora_draws(self):
        with tempfile.TemporaryDirectory(prefix="gesso-tiny-") as shared:
            models = Path(shared) / "models"
            tiny_models.make_models(models)
            dit = tiny_models.config_of("pipeline/t2i", "dit")
            write_safetensors(self.folder / "style.safetensors", tiny_models.lora_shapes(dit, 4), scale=0.5)
            transformer = models / tiny_models.TURBO / "transformer"
            self.gesso("convert", transformer, "merged.safetensors", "--lora", "style.safetensors@0.7", "--format", "f32")
            (self.folder / "config.json").write_text((transformer / "config.json").read_text())
            fused = self.write("fused.toml", f'extends = "{SAMPLES / "inference/Z-Image-Turbo.toml"}"\n'
                                             '[[adapters]]\npath = "style.safetensors"\nscale = 0.7\nmode = "fuse"\n')

            def draw(file, *more):
                self.gesso("run", file, *TINY, "--set", f"local_model_path={models}", *more, "--out", "a.png")
                return pixels(self.folder / "a.png")
            sample = SAMPLES / "inference/Z-Image-Turbo.toml"
            plain = draw(sample)
            merged = draw(sample, "--set", f"components.denoiser.path={self.folder / 'merged.safetensors'}")
            self.assertGreater(distance(merged, plain), 8)
            self.assertLessEqual(distance(merged, draw(fused)), 1)
            at_run_time = draw(sample, "--lora", self.folder / "style.safetensors@0.7")
            self.assertLessEqual(distance(merged, at_run_time), 1)


if __name__ == "__main__":
    unittest.main()
