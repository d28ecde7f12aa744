"""gesso new plugin: what it writes builds, keeps the contract, is found, loads, and paints."""

import json
import re
import shutil
import sys
import unittest

from stranger import PROGRAM, SMALL, SOURCE, StrangerTest

KINDS = ["tokenizer", "text_encoder", "image_encoder", "codec", "denoiser", "composer", "controller", "delta_source",
         "delta_generator", "preprocessor", "scheduler", "memory_policy"]
# No parameters, one operation, no training, points of other denoisers: what then cannot be asked.
NOT_ASKED = ["component.wrong_value", "module.estimates", "module.short_estimate", "module.batch", "codec.preview",
             "composer.ids", "controller"]
# In C: those for which a library in C is sensible.
IN_C = ["scheduler", "memory_policy", "preprocessor", "denoiser"]


class Templates(StrangerTest):
    def make(self, kind, language="c++", name=None):
        """The folder of a new plugin and that of its build."""
        folder = self.folder / (name or f"new_{kind}")
        self.run_command(PROGRAM, "new", "plugin", "--kind", kind, "--lang", language, folder)
        for script in sorted(folder.glob("make_*.py")):
            self.run_command(sys.executable, script)
        plugin = self.build(folder)
        self.assert_valid(plugin, skipped=NOT_ASKED)
        return folder, plugin

    def assert_lists(self, plugin, kind, folder):
        listed = json.loads(self.run_command(PROGRAM, "plugins", "list", "--json", plugins=[plugin]).stdout)
        mine = [one for one in listed["candidates"] if one["path"].startswith(str(plugin))]
        self.assertEqual([one["accepted"] for one in mine], [True], mine)
        described = self.run_command(PROGRAM, "plugins", "describe", f"org.example.{folder.name}.{kind}", plugins=[plugin])
        self.assertIn(kind, described.stdout)

    def test_every_kind_in_cpp_builds_and_paints(self):
        for kind in KINDS:
            if kind == "preprocessor":
                continue  # needs a controller: below
            with self.subTest(kind=kind):
                folder, plugin = self.make(kind)
                self.assert_lists(plugin, kind, folder)
                self.paint(folder / f"{folder.name}.toml", *SMALL, plugins=[plugin])

    def test_a_preprocessor_paints_through_a_controller(self):
        _, control = self.make("controller", name="my_control")
        folder, plugin = self.make("preprocessor")
        self.assert_lists(plugin, "preprocessor", folder)
        pipeline = folder / f"{folder.name}.toml"
        negative = self.paint(pipeline, *SMALL, plugins=[control, plugin])
        pipeline.write_text("".join(line for line in pipeline.read_text().splitlines(True) if "processor_id" not in line))
        self.assertNotEqual(self.paint(pipeline, *SMALL, plugins=[control]), negative)

    def test_those_in_c_build_and_paint_as_those_in_cpp(self):
        _, control = self.make("controller", name="my_control")
        for kind in IN_C:
            with self.subTest(kind=kind):
                folder, plugin = self.make(kind, "c", name=f"c_{kind}")
                self.assert_lists(plugin, kind, folder)
                self.paint(folder / f"{folder.name}.toml", *SMALL, plugins=[control, plugin])

    @unittest.skipUnless(shutil.which("rustc"), "rustc is not installed")
    def test_a_scheduler_in_rust(self):
        folder, plugin = self.make("scheduler", "rust")
        self.assert_lists(plugin, "scheduler", folder)
        self.paint(folder / f"{folder.name}.toml", *SMALL, plugins=[plugin])

    def test_the_plugin_of_the_guide_keeps_the_contract(self):
        guide = (SOURCE / "docs" / "plugins" / "README.md").read_text()
        folder = self.folder / "spiral"
        self.run_command(PROGRAM, "new", "plugin", "--kind", "scheduler", folder)
        for language, part, name in (("toml", "manifest = 1", "spiral.gesso.toml"), ("cpp", "GESSO_EXPORT_PLUGIN", "spiral.cpp")):
            blocks = re.findall(rf"^```{language}\n(.*?)^```", guide, re.M | re.S)
            folder.joinpath(name).write_text(next(block for block in blocks if part in block))
        plugin = self.build(folder)
        self.assert_valid(plugin, skipped=NOT_ASKED)
        self.paint(folder / "spiral.toml", *SMALL, "--set", "turns=2.0", plugins=[plugin])

    def test_wrong_requests_write_nothing(self):
        for arguments, told in ((["--kind", "codec", "--lang", "rust", "a"], "no template of a codec in rust"),
                                (["--kind", "codec", "Bad-Name"], "lower-case"),
                                (["--kind", "codec", "--id", "Org", "a"], "--id"),
                                (["--kind", "colour", "a"], "colour")):
            with self.subTest(arguments=arguments):
                done = self.run_command(PROGRAM, "new", "plugin", *arguments, code=2)
                self.assertIn(told, done.stderr)
                self.assertEqual(list(self.folder.iterdir()), [])
        self.folder.joinpath("full").mkdir()
        self.folder.joinpath("full", "mine.txt").write_text("mine")
        done = self.run_command(PROGRAM, "new", "plugin", "--kind", "codec", "full", code=2)
        self.assertIn("not empty", done.stderr)

    def test_an_id_of_ones_own(self):
        self.run_command(PROGRAM, "new", "plugin", "--kind", "scheduler", "--id", "com.acme.spiral", "spiral")
        for path in (self.folder / "spiral").iterdir():
            self.assertNotIn("my_plugin", path.read_text(), path)
            self.assertNotIn("org.example", path.read_text(), path)
        plugin = self.build(self.folder / "spiral")
        self.run_command(PROGRAM, "plugins", "describe", "com.acme.spiral.scheduler", plugins=[plugin])


if __name__ == "__main__":
    unittest.main()
