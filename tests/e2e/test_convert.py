"""Weights in other layouts and formats, and what stays when something goes wrong."""

import hashlib
import json
import shutil
import struct
import unittest

from program import ProgramTest
from tiny_models import MODELS, read_header, read_safetensors

DIT = MODELS / "dit_small"


def tensors_of(path):
    """Name -> type, shape and hash of the bytes."""
    return {name: (dtype, shape, hashlib.sha256(data).hexdigest())
            for name, (dtype, shape, data) in read_safetensors(path).items()}


class Convert(ProgramTest):
    def convert(self, *arguments, code=0):
        done = self.gesso("convert", *arguments, "--json", code=code)
        return json.loads(done.stdout.splitlines()[-1]) if code == 0 else done.stderr

    def test_there_and_back_is_the_same_bit_for_bit(self):
        report = self.convert(DIT / "transformer", "comfy.safetensors", "--layout", "comfy",
                              "--prefix", "model.diffusion_model.")
        self.assertEqual(report["to"], {"layout": "comfy", "prefix": "model.diffusion_model."})
        self.assertEqual(tensors_of(self.folder / "comfy.safetensors"), tensors_of(DIT / "comfy_prefixed.safetensors"))
        self.convert("comfy.safetensors", "back.safetensors", "--layout", "diffusers")
        self.assertEqual(tensors_of(self.folder / "back.safetensors"), tensors_of(DIT / "diffusers.safetensors"))

    def test_shards_and_the_index_are_those_of_diffusers(self):
        report = self.convert(DIT / "comfy.safetensors", "out/diffusion_pytorch_model.safetensors",
                              "--max-shard-size", "40KB")
        names = sorted(path.name for path in (self.folder / "out").iterdir())
        count = len(names) - 1
        self.assertGreater(count, 1)
        self.assertEqual(names[0], f"diffusion_pytorch_model-00001-of-{count:05}.safetensors")
        self.assertEqual(names[-1], "diffusion_pytorch_model.safetensors.index.json")
        self.assertEqual(len(report["files"]), len(names))
        index = json.loads((self.folder / "out" / names[-1]).read_text())
        self.assertEqual(index["weight_map"].keys(), tensors_of(DIT / "diffusers.safetensors").keys())
        merged = {}
        for name in names[:-1]:
            merged.update(tensors_of(self.folder / "out" / name))
        self.assertEqual(merged, tensors_of(DIT / "diffusers.safetensors"))

    def test_gguf_is_written_and_read(self):
        self.convert(DIT / "diffusers.safetensors", "dit.gguf", "--format", "q8_0")
        told = self.gesso_json("inspect", "dit.gguf", "--json")
        self.assertEqual(told["metadata"]["general.architecture"], "lumina2")
        self.assertIn("gguf.q8_0", told["formats"])
        self.assertEqual(told["matches"][0]["layout"], "comfy")
        self.convert("dit.gguf", "back.safetensors", "--format", "f32")
        self.assertEqual({entry[0] for entry in tensors_of(self.folder / "back.safetensors").values()} - {"F32", "BF16"}, set())

    def test_metadata_stays(self):
        header, body = read_header(DIT / "diffusers.safetensors")
        header["__metadata__"] = {"format": "pt", "modelspec.title": "a test"}
        text = json.dumps(header).encode()
        (self.folder / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
        self.convert("a.safetensors", "b.safetensors", "--layout", "comfy")
        self.assertEqual(read_header(self.folder / "b.safetensors")[0]["__metadata__"], header["__metadata__"])

    def test_a_difference_is_found_across_layouts(self):
        same = self.gesso_json("inspect", "--diff", DIT / "comfy.safetensors", DIT / "transformer", "--json")
        self.assertTrue(same["equal"])
        self.assertEqual(same["layouts"], ["comfy", "native"])
        self.assertEqual(same["identical"], 58)

        self.convert(DIT / "diffusers.safetensors", "a.gguf", "--format", "q8_0", "--target", "to_k", "--layout", "native")
        told = json.loads(self.gesso("inspect", "--diff", "a.gguf", DIT / "comfy.safetensors", "--json", code=1).stdout)
        self.assertTrue(told["different"] and all(".to_k." in one["name"] for one in told["different"]))
        for one in told["different"]:
            self.assertEqual(one["format"][0], "gguf.q8_0")
            self.assertTrue(0 < one["max_abs"] < 0.01, one)

        other = self.gesso("inspect", "--diff", DIT / "comfy.safetensors", MODELS / "vae/diffusion_pytorch_model.safetensors", code=1)
        self.assertIn("only in the second: encoder.conv_in.weight", other.stdout)
        self.assertIn("compares two", self.gesso("inspect", "--diff", DIT / "comfy.safetensors", code=2).stderr)

    def test_wrong_requests_change_nothing(self):
        shutil.copyfile(DIT / "comfy.safetensors", self.folder / "a.safetensors")
        before = (self.folder / "a.safetensors").read_bytes()
        self.assertIn("is the file that is read", self.convert("a.safetensors", "a.safetensors", code=2))
        self.assertIn('did you mean "comfy"?', self.convert("a.safetensors", "b.safetensors", "--layout", "comfi", code=2))
        self.assertIn("expected a size", self.convert("a.safetensors", "b.safetensors", "--max-shard-size", "much", code=2))
        self.assertIn("need a format", self.convert("a.safetensors", "b.safetensors", "--target", "w1", code=2))
        (self.folder / "text.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
        self.convert("text.safetensors", "b.safetensors", code=2)
        self.assertEqual((self.folder / "a.safetensors").read_bytes(), before)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["a.safetensors", "text.safetensors"])


if __name__ == "__main__":
    unittest.main()
