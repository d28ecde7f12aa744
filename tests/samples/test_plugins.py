"""samples/plugins: each is built, found, loaded, and paints a picture that is not the demo's own."""

import json
import shutil
import struct
import sys
import unittest

from stranger import DEMO, PROGRAM, SAMPLES, SMALL, StrangerTest

PLUGINS = SAMPLES / "plugins"


def write_safetensors(path, tensors):
    """Tensors of float32: {name: (shape, value of all elements)}."""
    header, data = {}, b""
    for name, (shape, value) in tensors.items():
        start = len(data)
        data += struct.pack("<f", value) * (shape[0] * shape[1])
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Plugins(StrangerTest):
    def build_valid(self, name, *skipped):
        plugin = self.build(PLUGINS / name)
        self.assert_valid(plugin, skipped=["component.wrong_value", *skipped])
        return plugin

    def plain(self):
        return self.paint(DEMO, *SMALL)

    def test_scheduler_in_c(self):
        plugins = [self.build_valid("adams")]
        chosen = ["--set", "components.scheduler.id=org.example.adams.scheduler"]
        painted = self.paint(DEMO, *SMALL, *chosen, plugins=plugins)
        self.assertNotEqual(painted, self.plain())
        self.assertNotEqual(painted, self.paint(DEMO, *SMALL, *chosen, "--set", "sigma_shift=1.0", plugins=plugins))

    def test_denoiser_without_libtorch(self):
        plugins = [self.build_valid("album", "module.short_estimate")]
        album = PLUGINS / "album" / "album.toml"
        panda = self.paint(album, plugins=plugins)
        self.assertNotEqual(panda, self.paint(album, "--set", "prompt=a rocket", plugins=plugins))
        wrong = self.run_command(PROGRAM, "run", album, "--set", "width=128", "--out", "x.png", plugins=plugins, code=2)
        self.assertIn("[16, 8, 8]", wrong.stderr)

    @unittest.skipUnless(shutil.which("rustc"), "rustc is not installed")
    def test_adapter_in_rust(self):
        plugins = [self.build_valid("two_sides")]
        target, adapter = "layers.0.attention.to_q", self.folder / "style.safetensors"
        write_safetensors(adapter, {f"{target}.left": ([192, 2], 0.05), f"{target}.right": ([2, 192], 0.05)})
        plain = self.plain()
        self.assertNotEqual(self.paint(DEMO, *SMALL, "--lora", adapter, plugins=plugins), plain)
        write_safetensors(adapter, {f"{target}.left": ([192, 2], 0.05), f"{target}.right": ([3, 192], 0.05)})
        wrong = self.run_command(PROGRAM, "run", DEMO, "--lora", adapter, "--out", "x.png", plugins=plugins, code=2)
        self.assertIn("found [192, 2] and [3, 192]", wrong.stderr)
        write_safetensors(adapter, {"nothing.left": ([192, 2], 0.05), "nothing.right": ([2, 192], 0.05)})
        unmatched = self.run_command(PROGRAM, "run", DEMO, "--lora", adapter, "--out", "x.png", plugins=plugins, code=2)
        self.assertIn("nothing.left", unmatched.stderr)

    def test_memory_policy(self):
        plugins = [self.build_valid("one_at_a_time")]
        self.assertEqual(self.paint(DEMO, *SMALL, "--set", "memory.policy=one_at_a_time", plugins=plugins), self.plain())

    def test_scheduler_in_python(self):
        out = self.folder / "cosine.png"
        self.run_command(sys.executable, PLUGINS / "cosine" / "cosine.py", DEMO, "a red apple", out)
        self.assertNotEqual(self.png(out), self.paint(DEMO))

    def test_what_is_registered_is_checked(self):
        script = f"""
import sys
sys.path.insert(0, {str(PLUGINS / "cosine")!r})
import cosine
engine = cosine.gesso.Engine()
engine.register(cosine.MANIFEST.replace("gesso.scheduler/1", "gesso.other/1"), cosine.entry)
try:
    engine.load({str(DEMO)!r}, 'components.scheduler.id="org.example.cosine.scheduler"')
except cosine.gesso.GessoError as error:
    print("load:", error)
for manifest in ("nonsense", cosine.MANIFEST + 'weights = "w.toml"', cosine.MANIFEST.replace("requires", 'library = "x.so"\\nrequires'),
                 cosine.MANIFEST.replace("minor = 0", "minor = 99"), cosine.MANIFEST):
    try:
        engine.register(manifest, cosine.entry)
    except cosine.gesso.GessoError as error:
        print("register:", error)
"""
        told = self.run_command(sys.executable, "-c", script).stdout.splitlines()
        self.assertEqual(len(told), 6, told)
        self.assertRegex(told[0], "load: .*gesso.scheduler/1.*the manifest says.*gesso.other/1")
        for line, expected in zip(told[1:], ("registered:2:1:", "has no files", "has no files", "1.99", "was found before")):
            self.assertIn(expected, line)

    def test_variant_of_three_makers(self):
        plugins = [self.build(PLUGINS / "album"), self.build_valid("pixel_art", "module.estimates", "module.short_estimate",
                                                                   "module.batch", "composer.ids")]
        pixels = PLUGINS / "pixel_art" / "pixel_art.toml"
        heart = self.paint(pixels, plugins=plugins)
        key = self.paint(pixels, "--set", "prompt=a golden key", plugins=plugins)
        self.assertNotEqual(heart, key)
        out = self.folder / "again.png"
        self.run_command(PROGRAM, "run", pixels, "--set", f"input_image={self.folder / 'picture.png'}", "--set",
                         "denoising_strength=0.4", "--set", "prompt=a key", "--out", out, plugins=plugins)  # encodes, too
        self.png(out)


if __name__ == "__main__":
    unittest.main()
