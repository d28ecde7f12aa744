"""Every variant, from its sample to a picture, on tiny weights in the layout of the published ones."""

import shutil
import tempfile
import unittest
from pathlib import Path

import tiny_models
from program import DEMO, ProgramTest
from test_demo import pixels

SAMPLES = DEMO.parent.parent / "z_image"
SIZE = 64
TINY = ("--set", "components.text_encoder.token_ids_modulo_vocab=true", "--set", "dtype=f32",
        "--set", f"height={SIZE}", "--set", f"width={SIZE}", "--set", "num_inference_steps=2")


class Variants(ProgramTest):
    @classmethod
    def setUpClass(cls):
        shared = tempfile.TemporaryDirectory(prefix="gesso-tiny-")
        cls.addClassCleanup(shared.cleanup)
        cls.shared = Path(shared.name)
        tiny_models.make_models(cls.shared / "models")
        shutil.copytree(SAMPLES, cls.shared / "z_image")
        tiny_models.make_pictures(cls.shared / "z_image/inference/data", SIZE)

    def sample(self, name):
        return self.shared / "z_image/inference" / f"{name}.toml"

    def draw(self, name, *arguments, out="a.png", code=0):
        done = self.gesso("run", self.sample(name), *TINY, "--set",
                          f"local_model_path={self.shared / 'models'}", *arguments, "--out", out,
                          code=code)
        return done.stderr if code else pixels(self.folder / out)

    def lora(self, name="style.safetensors", **options):
        path = self.folder / name
        dit = tiny_models.config_of("pipeline/t2i", "dit")
        tiny_models.write_safetensors(path, tiny_models.lora_shapes(dit, 4, **options), scale=0.5)
        return path

    def test_every_inference_sample_makes_a_picture(self):
        samples = sorted((self.shared / "z_image/inference").glob("*.toml"))
        self.assertEqual(len(samples), 12)
        for sample in samples:
            with self.subTest(sample=sample.name):
                self.assertGreater(len(set(self.draw(sample.stem))), 2)

    def test_a_variant_alone_finds_its_published_files(self):
        path = self.write("short.toml", 'variant = "Z-Image-Turbo"\n[generate]\nseed = 1\n')
        self.gesso("run", path, *TINY, "--set", f"local_model_path={self.shared / 'models'}", "--out", "a.png")

    def test_a_model_that_is_not_there_is_told_with_its_places(self):
        text = self.gesso("run", self.sample("Z-Image-Turbo"), "--set", "local_model_path=nowhere", code=2).stderr
        self.assertIn('model "Tongyi-MAI/Z-Image-Turbo", files "transformer/*.safetensors"', text)
        self.assertIn("nowhere/Tongyi-MAI/Z-Image-Turbo", text)

    def test_edit_images_are_for_models_that_take_them(self):
        picture = self.shared / "z_image/inference/data/low_res.png"
        text = self.draw("Z-Image-Turbo", "--set", f"edit_image={picture}", code=2)
        self.assertIn("takes no condition images", text)
        first = self.draw("Z-Image-Omni-Base-edit")
        other = self.draw("Z-Image-Omni-Base-edit", "--set", f"edit_image={picture}")
        self.assertNotEqual(first, other)

    def test_a_control_changes_the_picture_while_it_acts(self):
        name = "Z-Image-Turbo-Fun-Controlnet-Union-2.1-8steps"
        image = self.shared / "z_image/inference/data/depth/image_1.png"
        control = f'controlnet_inputs=[{{image="{image}", scale=%s, start=%s, end=%s}}]'
        full = self.draw(name, "--set", control % (1, 0, 1))
        none = self.draw(name, "--set", control % (0, 0, 1))
        late = self.draw(name, "--set", control % (1, 0.9, 1))  # no step of two lies in it
        half = self.draw(name, "--set", control % (1, 0.5, 1))
        self.assertEqual(none, late)
        self.assertEqual(len({full, none, half}), 3)

    def test_two_controls_at_once(self):
        name = "Z-Image-Turbo-Fun-Controlnet-Union-2.1-8steps"
        data = self.shared / "z_image/inference/data"
        one = f'{{image="{data}/depth/image_1.png", scale=0.7}}'
        two = f'{{controlnet="controlnet_tile", image="{data}/low_res.png", scale=0.4}}'
        tile = ("--set", "components.controlnet_tile.id=org.gesso.z_image_fun_tile.controller",
                "--set", f"components.controlnet_tile.model_id={tiny_models.CONTROL}",
                "--set", "components.controlnet_tile.origin_file_pattern=Z-Image-Turbo-Fun-Controlnet-Tile-2.1-8steps.safetensors")
        single = self.draw(name, *tile, "--set", f"controlnet_inputs=[{one}]")
        both = self.draw(name, *tile, "--set", f"controlnet_inputs=[{one}, {two}]")
        self.assertNotEqual(single, both)

    def test_a_picture_can_be_denoised_in_tiles(self):
        upscale = self.shared / "z_image/upscale-2x.toml"
        def draw(*arguments):
            self.gesso("run", upscale, *TINY, "--set", f"local_model_path={self.shared / 'models'}",
                       "--set", "height=96", "--set", "width=80", "--set", "seed=1", *arguments, "--out", "up.png")
            return pixels(self.folder / "up.png")
        whole = draw("--set", "denoise_tile_size=0", "--set", "tiled=false")
        self.assertEqual(draw("--set", "denoise_tile_size=1024", "--set", "tiled=false"), whole)
        tiles = ("--set", "denoise_tile_size=64", "--set", "denoise_tile_overlap=32", "--set", "tiled=false")
        self.assertNotEqual(draw(*tiles), whole)
        text = self.gesso("run", upscale, "--set", "denoise_tile_size=64", "--set", "denoise_tile_overlap=64",
                          "--set", f"local_model_path={self.shared / 'models'}", code=2).stderr
        self.assertIn("is not less than denoise_tile_size", text)

    def test_wrong_controls_are_told(self):
        name = "Z-Image-Turbo-Fun-Controlnet-Union-2.1-8steps"
        image = self.shared / "z_image/inference/data/depth/image_1.png"
        for value, expected in (('[{imag="x"}]', 'did you mean "image"'), ("3", "a table or a list of tables"),
                                ("[{scale=1}]", "found none"), (f'[{{image="{image}", scale=nan}}]', "scale"),
                                (f'[{{inpaint_image="{image}"}}]', "belong together"),
                                (f'[{{image="{image}", inpaint_mask="{image}"}}]', "belong together"), ('[{image="x.png"}]', "there is no file"),
                                ('[{processor_id="cany"}]', "no preprocessor")):
            with self.subTest(value=value):
                self.assertIn(expected, self.refusal(name, "--set", f"controlnet_inputs={value}"))

    def refusal(self, name, *arguments):
        """What is told of a request that is refused before anything is computed."""
        text = self.draw(name, *arguments, code=2)
        for stage in ("compose", "encode", "denoise"):
            self.assertNotRegex(text, rf"(?m)^{stage}")
        return text

    def test_a_control_net_for_another_model_is_told(self):
        small = tiny_models.MODELS / "dit_small/diffusers.safetensors"
        text = self.refusal("Z-Image-Turbo-Fun-Controlnet-Union-2.1", "--set", f"components.denoiser.path={small}")
        self.assertIn("components.controlnet: its weights have D = 64, but those of the denoiser have D = 32", text)
        data = self.shared / "z_image/inference/data"
        text = self.refusal("Z-Image-Omni-Base", "--set", f'controlnet_inputs=[{{image="{data}/low_res.png"}}]')
        self.assertIn("controlnet", text)

    def test_image_to_lora_without_its_encoders_is_told(self):
        for role in ("siglip2_image_encoder", "dinov3_image_encoder", "image2lora"):
            with self.subTest(role=role):
                text = self.refusal("Z-Image-i2L", "--set", f"components.{role}.model_id=none/none")
                self.assertIn(f"components.{role}", text)

    def test_loras_stack_and_scale(self):
        plain = self.draw("Z-Image-Turbo")
        self.assertIn("scale", self.refusal("Z-Image-Turbo", "--lora", f"{self.lora()}@nan"))
        first, second = self.lora(), self.lora("more.safetensors", blocks=("layers.1", "noise_refiner.0"))
        self.assertEqual(self.draw("Z-Image-Turbo", "--lora", f"{first}@0"), plain)
        one = self.draw("Z-Image-Turbo", "--lora", first)
        both = self.draw("Z-Image-Turbo", "--lora", first, "--lora", f"{second}@-0.5")
        self.assertEqual(len({plain, one, both}), 3)

    def test_adapters_of_the_file_act_like_those_of_the_command_line(self):
        lora = self.lora()
        path = self.write("with.toml", f'extends = "{self.sample("Z-Image-Turbo")}"\n'
                          f'[[adapters]]\npath = "{lora.name}"\nscale = 0.5\n')
        self.gesso("run", path, *TINY, "--set", f"local_model_path={self.shared / 'models'}", "--out", "b.png")
        self.assertEqual(pixels(self.folder / "b.png"), self.draw("Z-Image-Turbo", "--lora", f"{lora}@0.5"))

    def test_loras_act_on_gguf_files_as_on_others(self):
        turbo = self.shared / "models" / tiny_models.TURBO / "transformer/model.safetensors"
        tensors = tiny_models.read_bf16(turbo)
        lora = self.lora(targets=("attention.to_q", "attention.to_out.0", "feed_forward.w2"))
        for name, quantised in (("whole", False), ("small", True)):
            path = self.folder / f"{name}.gguf"
            tiny_models.write_gguf(path, tensors, quantised)
            shutil.copy2(turbo.parent / "config.json", self.folder)
            file = ("--set", f"components.denoiser.path={path}")
            plain, updated = self.draw("Z-Image-Turbo", *file), self.draw("Z-Image-Turbo", *file, "--lora", lora)
            self.assertNotEqual(plain, updated)
            self.assertEqual(self.draw("Z-Image-Turbo", *file, "--lora", f"{lora}@0"), plain)
            if not quantised:
                self.assertEqual(updated, self.draw("Z-Image-Turbo", "--lora", lora))
            fused = self.write("fused.toml", f'extends = "{self.sample("Z-Image-Turbo")}"\n'
                               f'[[adapters]]\npath = "{lora.name}"\nmode = "fuse"\n')
            self.gesso("run", fused, *TINY, *file, "--set", f"local_model_path={self.shared / 'models'}", "--out", "f.png")
            self.assertNotEqual(pixels(self.folder / "f.png"), plain)

    def test_distill_patch_stacks_on_another_lora(self):
        hub = self.shared / "models/DiffSynth-Studio/Z-Image-Turbo-DistillPatch"
        shutil.copy2(self.lora(blocks=("layers.1",)), hub.with_suffix(".tmp"))
        hub.mkdir(exist_ok=True)
        hub.with_suffix(".tmp").rename(hub / "model.safetensors")
        sample = self.shared / "z_image/distill-patch.toml"
        shutil.copy2(self.lora(), sample.parent / "my-lora.safetensors")
        self.gesso("run", sample, *TINY, "--set", f"local_model_path={self.shared / 'models'}", "--out", "b.png")

    def test_a_lora_of_one_side_leaves_the_other_alone(self):
        lora = self.lora()
        base = f'extends = "{self.sample("Z-Image")}"\n[[adapters]]\npath = "{lora.name}"\n'
        drawn = set()
        for side in ("both", "positive", "negative"):
            path = self.write(f"{side}.toml", f'{base}side = "{side}"\n')
            self.gesso("run", path, *TINY, "--set", f"local_model_path={self.shared / 'models'}", "--out", "b.png")
            drawn.add(pixels(self.folder / "b.png"))
        self.assertEqual(len(drawn), 3)

    def test_keys_that_match_nothing_are_listed(self):
        lora = self.lora(blocks=("layers.0", "layers.77"))
        text = self.draw("Z-Image-Turbo", "--lora", lora, code=2)
        self.assertIn("layers.77.attention.to_q.lora_A.weight", text)
        self.assertIn("strict = false", text)
        foreign = self.folder / "foreign.safetensors"
        tiny_models.write_safetensors(foreign, {"down_blocks.0.resnets.0.conv1.weight": [4, 4, 3, 3]})
        self.assertIn("down_blocks.0.resnets.0.conv1.weight", self.draw("Z-Image-Turbo", "--lora", foreign, code=2))

    def test_a_lora_for_another_model_is_told_what_it_looks_like(self):
        flux = self.folder / "flux.safetensors"
        name = "transformer.single_transformer_blocks.0.attn.to_q.lora_%s.weight"
        tiny_models.write_safetensors(flux, {name % "A": [4, 64], name % "B": [64, 4]})
        self.assertIn("a LoRA for FLUX", self.draw("Z-Image-Turbo", "--lora", flux, code=2))
        narrow = self.folder / "narrow.safetensors"
        name = "layers.0.attention.to_q.lora_%s.weight"
        tiny_models.write_safetensors(narrow, {name % "A": [4, 32], name % "B": [64, 4]})
        self.assertIn("expected 64 columns", self.draw("Z-Image-Turbo", "--lora", narrow, code=2))
        tiny_models.write_safetensors(narrow, {name % "A": [4, 64], name % "B": [64, 3]})
        self.assertIn("the rank of", self.draw("Z-Image-Turbo", "--lora", narrow, code=2))

    def test_what_a_variant_cannot_do_is_told_before_work_begins(self):
        data = self.shared / "z_image/inference/data"
        text = self.draw("Z-Image", "--set", f"image2lora_images={data}/low_res.png", code=2)
        self.assertIn("image2lora", text)
        control = f'controlnet_inputs=[{{image="{data}/low_res.png"}}]'
        self.assertIn("controlnet", self.draw("Z-Image-Turbo", "--set", control, code=2))
        wrong = ("--set", "components.denoiser.model_id=Tongyi-MAI/Z-Image-Omni-Base")
        self.assertIn("z_image_omni_base", self.draw("Z-Image-Turbo", *wrong, code=2))
        small = self.draw("Z-Image-Turbo-Fun-Controlnet-Union-2.1-8steps", "--set", "height=96", code=2)
        self.assertIn("resize", small)

    def test_a_lora_of_pictures_can_be_written_and_used(self):
        data = self.shared / "z_image/inference/data/style/1"
        self.gesso("image2lora", self.sample("Z-Image-i2L"), data / "0.png", data / "1.png", "--out", "made.safetensors",
                   "--set", f"local_model_path={self.shared / 'models'}", "--set", "dtype=f32")
        plain = self.draw("Z-Image")
        self.assertNotEqual(self.draw("Z-Image", "--lora", self.folder / "made.safetensors"), plain)

    def test_inpainting_keeps_what_the_mask_keeps(self):
        data = self.shared / "z_image/inference/data/inpaint"
        start = ("--set", f"input_image={data}/image_1.png", "--set", f"inpaint_mask={data}/mask.png")
        self.draw("Z-Image-Turbo", *start, out="painted.png")
        done = self.gesso("run", self.sample("Z-Image-Turbo"), *TINY, "--set", f"local_model_path={self.shared / 'models'}",
                          *start, "--set", "mask_blur=9", "--out", "soft.png")
        self.assertEqual(done.returncode, 0)
        self.assertNotEqual(pixels(self.folder / "painted.png"), pixels(self.folder / "soft.png"))
        text = self.draw("Z-Image-Turbo", "--set", f"inpaint_mask={data}/mask.png", code=2)
        self.assertIn("there is no input_image", text)

    def test_outpainting_makes_the_canvas_larger(self):
        data = self.shared / "z_image/inference/data/inpaint"
        self.draw("Z-Image-Turbo", "--set", f"input_image={data}/image_1.png", "--set", "outpaint=[8, 0, 8, 20]")
        header = (self.folder / "a.png").read_bytes()[16:24]
        self.assertEqual((int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")), (80, 96))

    def test_guidance_can_be_limited_and_cut_short(self):
        free = self.draw("Z-Image")
        self.assertNotEqual(self.draw("Z-Image", "--set", "cfg_normalization=0.5"), free)
        self.assertNotEqual(self.draw("Z-Image", "--set", "cfg_truncation=0.1"), free)
        self.assertEqual(self.draw("Z-Image", "--set", "cfg_truncation=1", "--set", "cfg_normalization=0"), free)


if __name__ == "__main__":
    unittest.main()
