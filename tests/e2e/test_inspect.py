"""What files and folders of models are."""

import unittest

from program import ProgramTest
from tiny_models import MODELS, place, write_safetensors

LORAS = MODELS / "lora"


class Inspect(ProgramTest):
    def inspect(self, path):
        return self.gesso_json("inspect", path, "--json")

    def test_a_folder_in_diffusers_layout_is_told_part_by_part(self):
        place(self.folder, "model", "transformer/model.safetensors", MODELS / "dit/diffusers.safetensors")
        place(self.folder, "model", "vae/diffusion_pytorch_model.safetensors", MODELS / "vae/diffusion_pytorch_model.safetensors")
        place(self.folder, "model", "text_encoder/model.safetensors", MODELS / "text_encoder/model.safetensors")
        for name in ("tokenizer/vocab.json", "scheduler/scheduler_config.json", "model_index.json"):
            path = self.folder / "model" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text('{"_class_name": "ZImagePipeline"}')
        answer = self.inspect("model")
        self.assertEqual(sorted(answer["parts"]), ["scheduler", "text_encoder", "tokenizer", "transformer", "vae"])
        self.assertEqual(answer["model_index"]["_class_name"], "ZImagePipeline")
        self.assertIn("z-image-turbo", answer["variants"])
        self.assertNotIn("z-image-omni-base", answer["variants"])
        self.assertIn("a tokenizer", answer["parts"]["tokenizer"]["summary"])
        self.assertEqual(answer["parts"]["vae"]["matches"][0]["layout"], "native")
        weights = [answer["parts"][name]["total"] for name in ("transformer", "vae", "text_encoder")]
        for key in ("tensors", "parameters", "size_bytes"):
            self.assertEqual(answer["total"][key], sum(total[key] for total in weights))
        text = self.gesso("inspect", "model").stdout
        self.assertIn("model/: a model of 5 parts", text)
        self.assertIn("settings of a scheduler", text)

    def test_a_sharded_folder_is_one_component(self):
        self.gesso("convert", MODELS / "dit_small/diffusers.safetensors", "out/diffusion_pytorch_model.safetensors", "--max-shard-size", "40KB")
        answer = self.inspect("out")
        self.assertGreater(len(answer["files"]), 1)
        self.assertTrue(answer["matches"][0]["exact"])
        self.assertEqual(answer["total"]["parameters"], self.inspect(MODELS / "dit_small/diffusers.safetensors")["total"]["parameters"])

    def test_parameters_are_those_of_the_weights_however_they_are_stored(self):
        plain = MODELS / "dit/diffusers.safetensors"
        self.gesso("quantize", plain, "nf4.safetensors", "--format", "nf4")
        quantised, original = self.inspect("nf4.safetensors"), self.inspect(plain)
        self.assertEqual(quantised["total"]["parameters"], original["total"]["parameters"])
        self.assertLess(quantised["total"]["size_bytes"], original["total"]["size_bytes"])

    def test_a_lora_tells_its_dialect_rank_and_target(self):
        dialects = {"peft_default": "diffsynth", "peft": "bare", "transformer": "diffusers", "diffusion_model": "diffusion_model",
                    "kohya": "kohya", "up_down_alpha": "lora_down", "comfy_fused_qkv": "comfy"}
        for file, dialect in dialects.items():
            with self.subTest(file=file):
                adapter = self.inspect(LORAS / f"{file}.safetensors")["adapter"]
                self.assertEqual(adapter["dialect"], dialect)
                self.assertEqual(adapter["ranks"], [4])
                self.assertIn("z_image", adapter["target"])
        adapter = self.inspect(LORAS / "peft.safetensors")["adapter"]
        self.assertEqual(sum(adapter["modules"].values()), adapter["pairs"])
        self.assertIn("attention.to_k", adapter["modules"])
        fused = self.inspect(LORAS / "comfy_fused_qkv.safetensors")["adapter"]
        self.assertEqual(fused["modules"]["attention.to_q"], 1)
        self.assertIn("for org.gesso.", self.gesso("inspect", LORAS / "kohya.safetensors").stdout)

    def test_a_lora_for_another_model_has_no_target(self):
        write_safetensors(self.folder / "a.safetensors", {"transformer.blocks.0.attn.lora_A.weight": [2, 8],
                                                          "transformer.blocks.0.attn.lora_B.weight": [8, 2]})
        self.assertEqual(self.inspect("a.safetensors")["adapter"]["target"], "")


if __name__ == "__main__":
    unittest.main()
