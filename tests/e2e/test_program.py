"""The commands that need no libtorch, and what happens when they are used wrongly."""

import json
import os
import shutil
import struct
import subprocess
import unittest

from program import PROGRAM, ProgramTest


def safetensors(name, shape):
    """One float32 tensor of zeros."""
    size = 4
    for extent in shape:
        size *= extent
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}})
    return struct.pack("<Q", len(header)) + header.encode() + bytes(size)


class Help(ProgramTest):
    def test_help_and_version_go_to_stdout(self):
        self.assertIn("Examples:", self.gesso("--help").stdout)
        self.assertRegex(self.gesso("--version").stdout, r"^gesso \d+\.\d+\.\d+\n$")
        for command in ("run", "plugins", "variants", "inspect", "schema", "check", "bench", "doctor",
                        "completion"):
            self.assertIn(command, self.gesso(command, "--help").stdout)

    def test_listing_does_not_load_libtorch(self):
        for arguments in (["--help"], ["plugins"], ["variants"], ["schema"]):
            opened = self.gesso(*arguments, LD_DEBUG="files").stderr
            self.assertIn("libgesso.so", opened)
            self.assertNotIn("libtorch", opened)
            self.assertNotIn("libgesso_runtime", opened)

    def test_completion_is_valid_in_bash(self):
        script = self.gesso("completion", "bash").stdout
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        for word in ("run", "--preview-dir", "--plugin-path"):
            self.assertIn(word, script)
        for shell in ("zsh", "fish"):
            self.assertIn("gesso", self.gesso("completion", shell).stdout)


class WrongRequests(ProgramTest):
    def error(self, *arguments):
        done = self.gesso(*arguments, code=2)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_unknown_names_are_answered_with_the_nearest(self):
        self.assertIn('unknown option "--previw-dir"; did you mean "--preview-dir"?',
                      self.error("run", "a.toml", "--previw-dir", "x"))
        self.assertIn('unknown command "plugin"; did you mean "plugins"?', self.error("plugin"))
        self.assertIn("gesso run --help", self.error("run", "a.toml", "--nonsense"))

    def test_nothing_to_do_is_a_wrong_request(self):
        self.error()
        self.error("inspect")
        self.error("completion", "tcsh")

    def test_a_missing_file_is_named(self):
        for command in ("run", "inspect"):
            self.assertIn("absent.toml", self.error(command, "absent.toml"))
        self.assertIn("absent.png", self.error("run", "--from", "absent.png"))

    def test_a_pipeline_file_that_is_no_toml_is_told_with_its_place(self):
        path = self.write("a.toml", "variant = \n")
        self.assertIn("a.toml:1:", self.error("run", path))

    def test_a_folder_that_cannot_be_written_is_told_before_anything_is_loaded(self):
        self.write("file", "")
        self.assertIn("file", self.error("run", "absent.toml", "--out", "file/a.png"))

    def test_an_override_without_a_value_is_refused(self):
        path = self.write("a.toml", 'variant = "x"\n')
        self.assertIn("prompt", self.error("run", path, "--set", "prompt"))

    def test_a_picture_of_somebody_else_is_no_source_of_parameters(self):
        self.assertIn("parameters", self.error("run", "--from", self.plain_png()))

    def plain_png(self):
        path = self.folder / "plain.png"
        source = os.environ["GESSO_TEST_DATA"] + "/image/gray.png"
        shutil.copyfile(source, path)
        return path


class Questions(ProgramTest):
    def test_plugins_that_are_refused_are_told_with_the_reason(self):
        (self.folder / "bad.gesso.toml").write_text("manifest = 1\n")
        done = self.gesso("--plugin-path", self.folder, "plugins", "list", "--why")
        self.assertIn("refused", done.stdout)
        self.assertIn("bad.gesso.toml", done.stdout)
        answer = self.gesso_json("--plugin-path", self.folder, "plugins", "--json")
        self.assertTrue(any(not c["accepted"] for c in answer["candidates"]))

    def test_the_environment_names_folders_of_plugins(self):
        (self.folder / "bad.gesso.toml").write_text("manifest = 1\n")
        done = self.gesso("plugins", "--json", GESSO_PLUGIN_PATH=str(self.folder))
        sources = {c["source"] for c in json.loads(done.stdout)["candidates"]}
        self.assertIn("GESSO_PLUGIN_PATH", sources)

    def test_schemas_are_json(self):
        for arguments in ([], ["pipeline"], ["manifest"], ["variant"]):
            self.assertIn("properties", self.gesso_json("schema", *arguments))
        self.assertIn("absent", self.gesso("schema", "variant", "absent", code=2).stderr)

    def test_a_weights_file_is_described(self):
        path = self.folder / "a.safetensors"
        path.write_bytes(safetensors("some.weight", [2, 3]))
        self.assertIn("some.weight  F32 [2,3]", self.gesso("inspect", path, "--tensors").stdout)
        self.assertEqual(self.gesso_json("inspect", path, "--json")["total"]["elements"], 6)
        path.write_bytes(path.read_bytes()[:-1])
        self.assertIn("a.safetensors", self.gesso("inspect", path, code=2).stderr)

    def test_a_check_lists_problems_and_ends_with_2(self):
        path = self.write("a.toml", 'variant = "absent"\n')
        done = self.gesso("check", path, code=2)
        self.assertIn("a.toml:1:", done.stdout)
        self.assertIn('no variant "absent"', done.stdout)
        report = json.loads(self.gesso("check", path, "--json", code=2).stdout)
        self.assertFalse(report["ok"])


if __name__ == "__main__":
    unittest.main()
