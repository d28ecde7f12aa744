"""Recipes: every twin of the reference's training scripts, and its command lines."""

import csv
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import tiny_models
from balls import COLOURS, BallsTest
from program import DEMO, PROGRAM, ProgramTest, needs_demo

SAMPLES = DEMO.parent.parent / "z_image"
SIZE = 32
NAMES = ("Z-Image", "Z-Image-Turbo", "Z-Image-Omni-Base", "ZImage-i2L-v2",
         "Z-Image-Turbo-Fun-Controlnet-Union-2.1", "Z-Image-Turbo-Fun-Controlnet-Union-2.1-8steps",
         "Z-Image-Turbo-Fun-Controlnet-Tile-2.1-8steps")


def make_datasets(folder):
    """What the scripts download, small: two pictures each, with the columns that the recipes read."""
    for name in NAMES:
        place = folder / "diffsynth_example_dataset/z_image" / name
        for number in range(2):
            for kind in ("image", "edit", "control"):
                tiny_models.write_png(place / f"{kind}_{number}.png", SIZE, SIZE,
                                      lambda x, y: ((x * 7 + number * 90) % 256, (y * 5) % 256, 128))
        rows = [{"image": f"image_{n}.png", "prompt": f"picture {n}", "edit_image": f"edit_{n}.png",
                 "controlnet_image": f"control_{n}.png"} for n in range(2)]
        with (place / "metadata.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
        (place / "metadata.jsonl").write_text("".join(
            json.dumps({"image": row["image"], "prompt": row["prompt"],
                        "template_inputs": {"image": [row["image"]]}}) + "\n" for row in rows))


def make_trained(folder):
    """Checkpoints as full training would write them: the models as they are."""
    def put(name, source, case, component):
        path = folder / name / "epoch-1.safetensors"
        tiny_models.place(folder, name, "epoch-1.safetensors", tiny_models.MODELS / source,
                          tiny_models.config_of(case, component) if case else None)
        return path
    dit = next(iter((tiny_models.GOLDEN / "models/dit").glob("*.safetensors"))).relative_to(tiny_models.MODELS)
    for name in ("Z-Image", "Z-Image-Turbo"):
        put(f"{name}_full", dit, "pipeline/t2i", "dit")
    for kind in ("full", "full_edit"):
        put(f"Z-Image-Omni-Base_{kind}", "omni/diffusers.safetensors", "pipeline/edit_one_image", "dit")
    for name in NAMES[4:]:
        put(f"{name}_full", "controlnet/model.safetensors", "pipeline/controlnet", "controlnet")
    put("ZImage-i2L-v2_full", "image2lora_v2/model.safetensors", None, None)
    for name in ("Z-Image-Omni-Base_lora_edit/epoch-4", "Z-Image-Turbo_lora_differential/epoch-4",
                 "Z-Image-Turbo_lora_distill/step-20"):
        case = "pipeline/edit_one_image" if "Omni" in name else "pipeline/t2i"
        lora = tiny_models.lora_shapes(tiny_models.config_of(case, "dit"), 4)
        tiny_models.write_safetensors(folder / f"{name}.safetensors", lora)


def make_validation_pictures(folder):
    names = ["canny/image_1", "upscale/image_1", "edit/image1", "edit/image_color"]
    names += [f"assets/multi_input_{i}" for i in range(4)] + [f"grey_{i}" for i in range(4)]
    for number, name in enumerate(names):
        tiny_models.write_png(folder / f"{name}.png", SIZE, SIZE,
                              lambda x, y: ((x * 3 + number * 20) % 256, (y * 9) % 256, 90))


class Training(ProgramTest):
    @classmethod
    def setUpClass(cls):
        shared = tempfile.TemporaryDirectory(prefix="gesso-tiny-")
        cls.addClassCleanup(shared.cleanup)
        cls.shared = Path(shared.name)
        tiny_models.make_models(cls.shared / "models")
        shutil.copytree(SAMPLES, cls.shared / "z_image")
        cls.recipes = cls.shared / "z_image/training"
        make_datasets(cls.recipes / "data")
        dit = tiny_models.config_of("pipeline/t2i", "dit")
        lora = tiny_models.lora_shapes(dit, 4)
        omni = tiny_models.lora_shapes(tiny_models.config_of("pipeline/edit_one_image", "dit"), 4)
        trained = cls.recipes / "models/train"
        for name in ("Z-Image", "Z-Image-Turbo", "Z-Image-Omni-Base") + NAMES[4:]:
            tiny_models.write_safetensors(trained / f"{name}_lora/epoch-4.safetensors",
                                          omni if "Omni" in name else lora)
        make_trained(trained)
        make_validation_pictures(cls.shared / "z_image/validation/data")
        adapter = "models/ostris/zimage_turbo_training_adapter/zimage_turbo_training_adapter_v1.safetensors"
        tiny_models.write_safetensors(cls.recipes / adapter, lora)

    def recipe(self, name):
        return self.recipes / f"{name}.toml"

    def test_every_twin_is_right(self):
        recipes = sorted(self.recipes.glob("*.toml"))
        self.assertEqual(len(recipes), 19)
        for recipe in recipes:
            with self.subTest(recipe=recipe.name):
                done = self.gesso("check", recipe, DIFFSYNTH_MODEL_BASE_PATH=str(self.shared / "models"))
                self.assertIn(": ok", done.stdout)

    def test_every_twin_trains(self):
        """Two steps of each on tiny weights leave a checkpoint with finite numbers."""
        for recipe in sorted(self.recipes.glob("*.toml")):
            with self.subTest(recipe=recipe.name):
                out = self.folder / recipe.stem
                tiny = ["components.text_encoder.token_ids_modulo_vocab=true", f"height={SIZE}", f"width={SIZE}",
                        "max_steps=2", "gradient_accumulation_steps=1", "dataset_num_workers=0", f"output_path={out}"]
                if "trajectory" in recipe.name:
                    tiny += ["teacher_steps=4", "student_steps=2"]
                self.gesso("train", recipe, *(word for text in tiny for word in ("--set", text)),
                           DIFFSYNTH_MODEL_BASE_PATH=str(self.shared / "models"))
                made = sorted(path for kind in ("step", "epoch") for path in out.glob(f"{kind}-*.safetensors"))
                self.assertEqual(len(made), 1)
                losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()
                          if "loss" in json.loads(line)]
                self.assertEqual(len(losses), 2)
                self.assertTrue(all(0 < loss < 100 for loss in losses), losses)
                values = tiny_models.read_bf16(made[0])
                self.assertTrue(values)
                for name, (_, wide) in values.items():
                    self.assertTrue(all(map(math.isfinite, struct.unpack(f"<{len(wide) // 4}f", wide))), name)

    def test_every_validation_twin_draws(self):
        twins = sorted((self.shared / "z_image/validation").glob("*.toml"))
        self.assertEqual(len(twins), 17)
        for twin in twins:
            with self.subTest(twin=twin.name):
                self.gesso("run", twin, "--set", "components.text_encoder.token_ids_modulo_vocab=true", "--set",
                           "dtype=f32", "--set", f"height={SIZE}", "--set", f"width={SIZE}", "--set",
                           "num_inference_steps=1", "--set", f"local_model_path={self.shared / 'models'}",
                           "--out", "a.png")

    def test_plain_training_of_turbo_is_warned(self):
        models = {"DIFFSYNTH_MODEL_BASE_PATH": str(self.shared / "models")}
        for name, warned in (("lora-Z-Image-Turbo", True), ("full-Z-Image-Turbo", True), ("lora-Z-Image", False),
                             ("special-differential_training", False), ("special-trajectory_imitation", False)):
            with self.subTest(name=name):
                text = self.gesso("check", self.recipe(name), **models).stdout
                self.assertEqual("is distilled to 8 steps" in text, warned)

    def test_a_command_line_becomes_a_recipe_that_is_right(self):
        script = self.write("run.sh", "modelscope download --dataset x\n\n" + " \\\n  ".join((
            "accelerate launch --config_file none.yaml examples/z_image/model_training/train.py",
            f"--dataset_base_path {self.recipes}/data/diffsynth_example_dataset/z_image/Z-Image-Turbo",
            f"--dataset_metadata_path {self.recipes}/data/diffsynth_example_dataset/z_image/Z-Image-Turbo/metadata.csv",
            '--model_id_with_origin_paths "Tongyi-MAI/Z-Image-Turbo:transformer/*.safetensors,'
            'Tongyi-MAI/Z-Image-Turbo:text_encoder/*.safetensors,'
            'Tongyi-MAI/Z-Image-Turbo:vae/diffusion_pytorch_model.safetensors"',
            '--quant_options "Tongyi-MAI/Z-Image-Turbo:transformer/*.safetensors:bitsandbytes_nf4"',
            "--lora_base_model dit", '--lora_target_modules "to_q,to_k"', "--enable_npu_patch")) + " # done\n")
        done = self.gesso("train", "--from-args", script, "--out", "made.toml")
        self.assertEqual(done.stdout, "made.toml\n")
        self.assertIn("set zero_stage", done.stderr)
        text = (self.folder / "made.toml").read_text()
        self.assertIn('variant = "Z-Image-Turbo"', text)
        self.assertIn('quant_options = "dit:bitsandbytes_nf4"', text)
        self.assertIn('lora_target_modules = ["to_q", "to_k"]', text)
        self.gesso("check", "made.toml", DIFFSYNTH_MODEL_BASE_PATH=str(self.shared / "models"))
        self.assertEqual(self.gesso("train", "--from-args", script).stdout, text)

    def test_wrong_requests_are_told(self):
        self.assertIn("--from-args", self.gesso("train", code=2).stderr)
        wrong = self.gesso("train", "--from-args", "train.py --learning_rat 1", code=2).stderr
        self.assertIn('did you mean "learning_rate"', wrong)
        self.assertIn("dataset_base_path: not given",
                      self.gesso("check", self.write("a.toml", 'variant = "Z-Image"\n[train]\n'), code=2).stdout)
        self.assertIn("`gesso train` reads",
                      self.gesso("run", self.recipe("lora-Z-Image"), code=2).stderr)


@needs_demo
class Runs(BallsTest):
    def copy_of_the_recipes(self):
        """emoji/train with data of one picture for each recipe, beside the models as they are."""
        shutil.copytree(DEMO.parent / "train", self.folder / "emoji/train")
        for model in ("tokenizer", "text_encoder", "transformer", "vae", "base", "emoji.toml"):
            (self.folder / "emoji" / model).symlink_to(DEMO.parent / model)
        train = self.folder / "emoji/train"
        for data in ("data", "data-more", "data-style", "data-canny", "data-inks", "from-nothing/data"):
            folder = train / data
            folder.mkdir(exist_ok=True)
            shutil.copy(self.folder / "red.png", folder)
            (folder / "metadata.csv").write_text("image,prompt,controlnet_image\nred.png,a red ball,red.png\n")
        (train / "data-inks/metadata.jsonl").write_text(json.dumps(
            {"image": "red.png", "prompt": "a red ball", "template_inputs": {"image": ["red.png"]}}) + "\n")
        return train

    def script(self, *arguments):
        subprocess.run([sys.executable, "-B", *map(str, arguments)], cwd=self.folder, check=True, capture_output=True)

    def test_the_recipes_of_the_emoji_family_are_right(self):
        train = self.copy_of_the_recipes()
        self.script(train / "encoders")
        recipes = sorted(train.glob("*.toml"))
        self.assertEqual(len(recipes), 6)
        for recipe in recipes:
            with self.subTest(recipe=recipe.name):
                self.gesso("check", recipe)

    def test_a_small_image_to_lora_is_trained_and_draws(self):
        train = self.copy_of_the_recipes()
        self.script(train / "encoders")
        sets = ("num_epochs=2", "batch_size=1", "save_steps=2", "lr_warmup_steps=0")
        cache, trained = self.folder / "cache", self.folder / "trained"
        self.gesso("train", train / "i2l.toml", "--set", "task=sft:data_process", "--set", f"output_path={cache}")
        self.script(train / "encoders", "--measured", cache)
        self.gesso("train", train / "i2l.toml", "--set", f"output_path={trained}",
                   *(word for text in sets for word in ("--set", text)))
        made = tiny_models.read_bf16(trained / "step-2.safetensors")
        self.assertTrue(any(made["module_dict.layers___0___attention___to_q.lora_b"][1]))
        i2l = self.folder / "emoji/i2l"
        self.write("draw.toml", f"""extends = "{DEMO.parent / 'base.toml'}"
variant = "ZImage-i2L-v2"
components.siglip2_image_encoder.path = "{i2l / 'siglip2'}"
components.dinov3_image_encoder.path = "{i2l / 'dinov3'}"
components.image2lora.path = "{trained / 'step-2.safetensors'}"
[generate]
prompt = "a castle"
num_inference_steps = 1
cfg_scale = 1.0
image2lora_images = ["blue.png"]
""")
        self.gesso("run", "draw.toml", "--out", "a.png")

    def test_a_model_from_nothing_is_trained_and_draws(self):
        """The one command: codec, then transformer and text encoder, from random weights."""
        nothing = self.copy_of_the_recipes() / "from-nothing"
        run = [nothing / "run", *(word for text in ("max_steps=2", "batch_size=1", "num_epochs=2")
                                  for word in ("--set", text))]
        for _ in range(2):  # a second time it goes on where it was: at the end
            done = subprocess.run(run, text=True, capture_output=True, env={**os.environ, "GESSO_PROGRAM": PROGRAM})
            self.assertEqual(done.returncode, 0, done.stderr)
        given = tiny_models.read_bf16(DEMO.parent / "vae/diffusion_pytorch_model.safetensors")
        made = tiny_models.read_bf16(nothing / "out/model/vae/diffusion_pytorch_model.safetensors")
        self.assertEqual(set(made), set(given))
        self.gesso("run", nothing / "model.toml", "--set", "num_inference_steps=1", "--out", self.folder / "a.png")

    def test_a_lora_is_trained_and_draws(self):
        self.gesso("train", self.recipe("out"))
        lora = self.folder / "out/step-4.safetensors"
        self.assertTrue(lora.exists())
        losses = [json.loads(line)["loss"] for line in (self.folder / "out/metrics.jsonl").read_text().splitlines()
                  if "loss" in json.loads(line)]
        self.assertEqual(len(losses), 4)
        self.assertIn("<svg", (self.folder / "out/report.html").read_text())
        self.gesso("run", DEMO, "--set", "num_inference_steps=2", "--lora", lora, "--out", self.folder / "ball.png")

    def test_openmp_gives_fewer_threads_than_it_has(self):
        for name, limit in (("one", {"OMP_NUM_THREADS": "1"}), ("limited", {"OMP_NUM_THREADS": "2", "OMP_THREAD_LIMIT": "1"})):
            self.gesso("train", self.recipe(name), **limit)
        self.assertEqual(*((self.folder / name / "step-4.safetensors").read_bytes() for name in ("one", "limited")))

    def test_a_base_is_trained_split_and_draws(self):
        self.gesso("train", self.recipe("out", base="base", height=64, width=64, max_steps=1))
        made, split = self.folder / "out/step-1.safetensors", DEMO.parent / "train/split"
        subprocess.run([sys.executable, split, made, "base"], cwd=self.folder, check=True)
        given = tiny_models.read_bf16(DEMO.parent / "transformer/diffusion_pytorch_model.safetensors")
        self.assertEqual(set(given), set(tiny_models.read_bf16(
            self.folder / "base/transformer/diffusion_pytorch_model.safetensors")))
        self.gesso("run", DEMO, "--set", "num_inference_steps=1", "--set", "components.denoiser.path=base/transformer",
                   "--set", "components.text_encoder.path=base/text_encoder", "--out", "a.png")
        wrong = subprocess.run([sys.executable, split, DEMO.parent / "vae/diffusion_pytorch_model.safetensors", "no"],
                               cwd=self.folder, text=True, capture_output=True)
        self.assertIn("expected the emoji model's transformer", wrong.stderr)

    def test_a_vae_is_trained_and_draws(self):
        self.gesso("train", self.recipe("out", base="vae", height=32, width=32, max_steps=2, save_steps=2,
                                        validation_split=0.25, validation_steps=2))
        told = [json.loads(line) for line in (self.folder / "out/metrics.jsonl").read_text().splitlines()]
        self.assertEqual(len([line for line in told if "loss" in line and "validation" not in str(line)]), 2)
        made = tiny_models.read_bf16(self.folder / "out/step-2.safetensors")
        given = tiny_models.read_bf16(DEMO.parent / "vae/diffusion_pytorch_model.safetensors")
        self.assertEqual({name: shape for name, (shape, _) in made.items()},
                         {name: shape for name, (shape, _) in given.items()})
        self.assertTrue(any(made[name] != given[name] for name in made))
        shutil.copy(DEMO.parent / "vae/config.json", self.folder / "out")
        self.gesso("run", DEMO, "--set", "num_inference_steps=1", "--set",
                   f"components.codec.path={self.folder / 'out/step-2.safetensors'}", "--out", self.folder / "a.png")

    def test_a_controlnet_begins_with_the_base(self):
        """It adds nothing at first, learns, and its checkpoint is a ControlNet."""
        self.write("metadata.csv", "image,prompt,controlnet_image\n" +
                   "".join(f"{n}.png,a {n} ball,{n}.png\n" for n in COLOURS))
        self.gesso("train", self.recipe("control", base="controlnet", height=64, width=64, max_steps=2, save_steps=2,
                                        lr_warmup_steps=0))
        self.gesso("train", self.recipe("plain", height=64, width=64, max_steps=1, caption_dropout=0.05, seed=1))
        first = [json.loads((self.folder / name / "metrics.jsonl").read_text().splitlines()[0])["loss"]
                 for name in ("control", "plain")]
        self.assertAlmostEqual(first[0], first[1], delta=1e-6 * first[1])
        made = self.folder / "control/step-2.safetensors"
        values = tiny_models.read_bf16(made)
        self.assertTrue(any(values["control_layers.0.after_proj.weight"][1]))
        self.assertIn("org.gesso.z_image_fun", self.gesso("inspect", made).stdout)
        self.write("draw.toml", f"""extends = "{DEMO}"
variant = "Z-Image-Turbo-Fun-Controlnet-Union-2.1-8steps"
[components.controlnet]
path = "{made}"
[generate]
num_inference_steps = 1
controlnet_inputs = [{{ image = "red.png" }}]
""")
        self.gesso("run", "draw.toml", "--out", "a.png")

    def test_an_untrained_controlnet_must_be_trained_and_have_no_files(self):
        for more, text in ((dict(trainable_models="dit"), "train it with trainable_models"),
                           (dict(trainable_models="controlnet"), "leave one of them out")):
            recipe = self.recipe("out", base="controlnet", **more)
            if "leave" in text:
                recipe.write_text(recipe.read_text() + '[components.controlnet]\npath = "red.png"\n')
            self.assertIn(text, self.gesso("check", recipe, code=2).stdout)

    def test_a_vae_is_trained_alone(self):
        done = self.gesso("check", self.recipe("out", base="vae", trainable_models="vae,dit"), code=2)
        self.assertIn("vae trains the vae alone", done.stdout)

    def test_a_dora_and_a_lokr_are_trained_and_draw(self):
        for kind in ("dora", "lokr"):
            with self.subTest(kind=kind):
                self.gesso("train", self.recipe(kind, lora_kind=kind, save_steps=4))
                made = self.folder / kind / "step-4.safetensors"
                with_it, without = self.folder / f"{kind}.png", self.folder / "plain.png"
                self.gesso("run", DEMO, "--set", "num_inference_steps=2", "--lora", made, "--out", with_it)
                self.gesso("run", DEMO, "--set", "num_inference_steps=2", "--out", without)
                self.assertNotEqual(with_it.read_bytes(), without.read_bytes())

    def test_a_run_that_was_killed_ends_with_the_same_bits(self):
        self.gesso("train", self.recipe("whole"))
        recipe = self.recipe("killed")
        run = subprocess.Popen([PROGRAM, "train", str(recipe), "--json"], cwd=self.folder, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ))
        for line in run.stdout:
            if json.loads(line).get("event") == "metric" and json.loads(line).get("step") == 2:
                break
        run.kill()
        run.wait()
        run.stdout.close()
        self.assertFalse((self.folder / "killed/step-4.safetensors").exists())
        self.gesso("train", recipe, "--resume")
        self.assertEqual((self.folder / "killed/step-4.safetensors").read_bytes(),
                         (self.folder / "whole/step-4.safetensors").read_bytes())


if __name__ == "__main__":
    unittest.main()
