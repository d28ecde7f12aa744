"""Files that a pipeline needs and that are not here come from the hub; renames of tensors."""

import json
import tempfile
import unittest
from pathlib import Path

import tiny_models
from hub import Hub
from program import ProgramTest
from test_variants import TINY
from tiny_models import TURBO, read_safetensors, write_safetensors

PIPELINE = 'model = "Z-Image-Turbo"\n{}[generate]\nprompt = "a key"\nseed = 1\n'


class Fetching(ProgramTest):
    @classmethod
    def setUpClass(cls):
        shared = tempfile.TemporaryDirectory(prefix="gesso-tiny-")
        cls.addClassCleanup(shared.cleanup)
        cls.models = Path(shared.name) / "models"
        tiny_models.make_models(cls.models)

    def setUp(self):
        super().setUp()
        self.hub = Hub()
        self.addCleanup(self.hub.__exit__)
        for path in (self.models / TURBO).rglob("*"):
            if path.is_file():
                self.hub.add(TURBO, str(path.relative_to(self.models / TURBO)), path.read_bytes())

    def run_pipeline(self, *arguments, head="", code=0, **environment):
        self.write("turbo.toml", PIPELINE.format(head))
        home = {"HOME": str(self.folder), "HF_HOME": str(self.folder / "hf"), "DIFFSYNTH_SKIP_DOWNLOAD": ""}
        return self.gesso("run", "turbo.toml", *TINY, "--out", "a.png", *arguments, code=code,
                          **self.hub.environment(**{**home, **environment}))

    def requests(self):
        return [request[0] for request in self.hub.requests]

    def test_a_model_by_name_is_enough(self):
        done = self.run_pipeline()
        self.assertTrue((self.folder / "a.png").exists())
        self.assertIn(f"fetching {TURBO}:transformer/*.safetensors from modelscope", done.stderr)
        self.assertIn("fetched 1 files", done.stderr)
        self.assertTrue((self.folder / "models" / TURBO / "tokenizer/tokenizer.json").exists())
        before = len(self.hub.requests)
        self.run_pipeline()
        self.assertEqual(len(self.hub.requests), before)  # what is here is not asked for again

    def test_source_and_folder_are_the_files(self):
        self.run_pipeline(head='download_source = "huggingface"\nlocal_model_path = "kept"\n')
        self.assertTrue((self.folder / "kept" / TURBO / "vae/diffusion_pytorch_model.safetensors").exists())
        self.assertFalse((self.folder / "models").exists())
        events = self.run_pipeline("--json", DIFFSYNTH_DOWNLOAD_SOURCE="huggingface", DIFFSYNTH_MODEL_BASE_PATH=str(self.folder / "base"))
        self.assertTrue((self.folder / "base" / TURBO / "transformer/model.safetensors").exists())
        for line in events.stdout.splitlines():
            json.loads(line)

    def test_nothing_is_fetched_where_that_is_not_wanted(self):
        for more in ({"DIFFSYNTH_SKIP_DOWNLOAD": "True"}, {"GESSO_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "1"}):
            self.assertIn("not on this machine", self.run_pipeline(code=2, **more).stderr)
        self.assertIn("not on this machine", self.run_pipeline(head="skip_download = true\n", code=2).stderr)
        self.assertEqual(self.requests(), [])
        one = '[components.codec]\nmodel_id = "Tongyi-MAI/Z-Image-Turbo"\norigin_file_pattern = "vae/*"\nskip_download = true\n'
        self.assertIn("components.codec", self.run_pipeline(head=one, code=2).stderr)
        self.assertTrue((self.folder / "models" / TURBO / "transformer").exists())
        self.run_pipeline(head="skip_download = false\n", DIFFSYNTH_SKIP_DOWNLOAD="true")

    def test_a_hub_without_the_model_is_told(self):
        self.hub.models.clear()
        self.assertIn("HTTP 404", self.run_pipeline(code=1).stderr)

    def test_trouble_on_the_way_is_mended(self):
        self.hub.faults["transformer/model.safetensors"] = [503, "cut"]
        self.run_pipeline()
        self.assertEqual(self.hub.faults["transformer/model.safetensors"], [])

    def test_a_lora_is_fetched_like_other_files(self):
        dit = tiny_models.config_of("pipeline/t2i", "dit")
        lora = self.folder / "style.safetensors"
        write_safetensors(lora, tiny_models.lora_shapes(dit, 4), scale=0.5)
        self.hub.add("org/style", "style.safetensors", lora.read_bytes())
        self.write("style.toml", PIPELINE.format("") + '[[adapters]]\nmodel_id = "org/style"\n')
        environment = self.hub.environment(HOME=str(self.folder), HF_HOME=str(self.folder / "hf"), DIFFSYNTH_SKIP_DOWNLOAD="")
        self.gesso("run", "style.toml", *TINY, "--out", "a.png", **environment)
        self.assertTrue((self.folder / "models/org/style/style.safetensors").exists())

    def test_training_fetches_too(self):
        pictures = self.folder / "data"
        tiny_models.write_png(pictures / "a.png", 32, 32, lambda x, y: (x * 8, y * 8, 90))
        self.write("data/metadata.csv", "image,prompt\na.png,a key\n")
        self.write("train.toml", 'model = "Z-Image-Turbo"\n[components.text_encoder]\ntoken_ids_modulo_vocab = true\n'
                   '[train]\ndataset_base_path = "data"\ndataset_metadata_path = "data/metadata.csv"\nlora_base_model = "dit"\n'
                   'lora_target_modules = "to_q,to_v"\n'
                   'lora_rank = 2\nmax_steps = 1\noutput_path = "out"\nheight = 32\nwidth = 32\ndataset_num_workers = 0\n')
        environment = self.hub.environment(HOME=str(self.folder), HF_HOME=str(self.folder / "hf"))
        text = self.gesso("train", "train.toml", "--set", "skip_download=true", code=2, **environment).stderr
        self.assertIn("not on this machine", text)
        self.assertEqual(self.requests(), [])
        done = self.gesso("train", "train.toml", **environment)
        self.assertIn(f"fetching {TURBO}:transformer/*.safetensors", done.stderr)
        self.assertTrue(list((self.folder / "out").glob("*-1.safetensors")))
        before = len(self.hub.requests)
        self.gesso("train", "train.toml", "--set", "output_path=again", **environment)
        self.assertEqual(len(self.hub.requests), before)

    def test_images_to_lora_fetches_too(self):
        for model in (path for owner in self.models.iterdir() for path in owner.iterdir()):
            for path in model.rglob("*"):
                if path.is_file():
                    self.hub.add(f"{model.parent.name}/{model.name}", str(path.relative_to(model)), path.read_bytes())
        tiny_models.write_png(self.folder / "a.png", 32, 32, lambda x, y: (x * 8, y * 8, 90))
        self.write("i2l.toml", 'model = "Z-Image-i2L"\ndtype = "f32"\n')
        environment = self.hub.environment(HOME=str(self.folder), HF_HOME=str(self.folder / "hf"))
        done = self.gesso("image2lora", "i2l.toml", "a.png", "--out", "a.safetensors", **environment)
        self.assertIn("fetching DiffSynth-Studio/General-Image-Encoders:DINOv3", done.stderr)
        self.assertTrue((self.folder / "a.safetensors").exists())

    def test_model_and_variant_are_the_same(self):
        text = self.run_pipeline(head='variant = "Z-Image"\n', code=2).stderr
        self.assertIn("model: the same as variant", text)
        text = self.run_pipeline("--set", "model=z-image", code=1).stderr  # this hub does not have it
        self.assertIn("Tongyi-MAI/Z-Image:transformer", text)


class StateDict(ProgramTest):
    def test_tensors_get_the_names_that_a_table_of_renames_says(self):
        with tempfile.TemporaryDirectory(prefix="gesso-tiny-") as shared:
            models = Path(shared) / "models"
            tiny_models.make_models(models)
            vae = models / TURBO / "vae/diffusion_pytorch_model.safetensors"
            header, tensors = {}, read_safetensors(vae)
            data = b""
            for name, (dtype, shape, raw) in tensors.items():
                header["module.codec." + name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
                data += raw
            text = json.dumps(header).encode()
            (self.folder / "vae.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
            (self.folder / "config.json").write_text((vae.parent / "config.json").read_text())

            def draw(renames, code=0):
                codec = f'[components.codec]\npath = "vae.safetensors"\n{renames}'
                self.write("a.toml", f'model = "Z-Image-Turbo"\nlocal_model_path = "{models}"\n[generate]\nseed = 1\n{codec}')
                return self.gesso("run", "a.toml", *TINY, "--out", "a.png", code=code).stderr
            self.assertIn("expected the weights of", draw("", code=2))
            draw('state_dict = [["^module\\\\.", ""], ["^codec\\\\.", ""]]\n')
            self.assertIn("no tensor has a name like", draw('state_dict = [["^net\\\\.", ""]]\n', code=2))
            self.assertIn("no regular expression", draw('state_dict = [["(", ""]]\n', code=2))
            self.assertIn("a list of pairs of texts", draw('state_dict = ["a", "b"]\n', code=2))


if __name__ == "__main__":
    unittest.main()
