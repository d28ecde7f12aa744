"""Training on something small: a LoRA of the demo on four coloured balls."""

import json

import tiny_models
from program import DEMO, ProgramTest

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 60, 200), "grey": (120, 120, 120)}


class BallsTest(ProgramTest):
    """The folder of each test has the pictures and their captions."""

    def setUp(self):
        super().setUp()
        for name, colour in COLOURS.items():
            tiny_models.write_png(self.folder / f"{name}.png", 64, 64,
                                  lambda x, y, c=colour: c if (x - 32) ** 2 + (y - 32) ** 2 < 400 else (255, 255, 255))
        self.write("metadata.csv", "image,prompt\n" + "".join(f"{n}.png,a {n} ball\n" for n in COLOURS))

    def recipe(self, output, base="lora", **more):
        """Four steps, each of which is saved; `more` changes settings of [train] of a recipe in train/."""
        settings = {"dataset_base_path": ".", "dataset_metadata_path": "metadata.csv", "output_path": output,
                    "num_epochs": 1, "batch_size": 1, "dataset_repeat": 1, "validation_split": 0.0,
                    "validation_steps": 0, "sample_steps": 0, "save_steps": 1, **more}
        lines = [f'extends = "{DEMO.parent / "train" / base}.toml"', "[train]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        return self.write(f"{output}.toml", "\n".join(lines) + "\n")
