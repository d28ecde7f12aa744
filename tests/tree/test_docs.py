"""Every link, every command with its options and every piece of TOML in the documentation, held against the tree."""

import functools
import os
import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(os.environ["GESSO_SOURCE_DIR"])
PROGRAM = os.environ["GESSO_PROGRAM"]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "samples").rglob("*.md")])

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
INLINE = re.compile(r"`([^`\n]+)`")


def anchor(heading):
    """The name that a heading gets in a link, as the hubs make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def commands(page):
    """What a reader may copy: lines of plain blocks, and inline code."""
    text = page.read_text()
    for language, block in FENCE.findall(text):
        if language in ("", "sh", "bash"):
            yield from (line.split(" #")[0].strip() for line in block.splitlines())
    yield from INLINE.findall(FENCE.sub("", text))


@functools.cache
def help_of(*command):
    return subprocess.run([PROGRAM, *command, "--help"], capture_output=True, text=True, check=True).stdout


class Pages(unittest.TestCase):
    def test_there_are_pages(self):
        self.assertGreater(len(PAGES), 10)

    def test_links_lead_somewhere(self):
        for page in PAGES:
            for target in LINK.findall(FENCE.sub("", page.read_text())):
                if "://" in target:
                    continue
                with self.subTest(page=page.name, link=target):
                    name, _, place = target.partition("#")
                    found = (page.parent / name) if name else page
                    self.assertTrue(found.exists(), f"{found} is not there")
                    if place:
                        headings = re.findall(r"^#+ (.+)$", found.read_text(), re.M)
                        self.assertIn(place, map(anchor, headings))

    def test_commands_exist_and_know_their_options(self):
        seen = 0
        for page in PAGES:
            for command in commands(page):
                match = re.match(r"gesso ([a-z0-9]+)\b(.*)", command)
                if not match:
                    continue
                with self.subTest(page=page.name, command=command):
                    help_text = help_of(match[1])
                    for option in re.findall(r"(?<!\S)--[a-z-]+", match[2]):
                        self.assertRegex(help_text + help_of(), rf"{option}\b")
                    if match[1] == "variants":
                        subprocess.run([PROGRAM, "variants", *match[2].split()], capture_output=True, check=True)
                    seen += 1
        self.assertGreater(seen, 10)

    def test_scripts_and_folders_exist(self):
        for page in PAGES:
            for command in commands(page):
                for path in re.findall(r"(?<![\w/.-])(?:\./)?((?:scripts|samples|tests|schemas|sdk|host|plugins)/[\w./-]*)", command):
                    with self.subTest(page=page.name, path=path):
                        self.assertTrue((ROOT / path).exists() or "*" in command or "<" in command, f"{path} is not there")

    def test_toml_can_be_read(self):
        try:
            import tomllib
        except ImportError:
            self.skipTest("this Python is older than 3.11 and has no tomllib")
        for page in PAGES:
            for language, block in FENCE.findall(page.read_text()):
                if language == "toml":
                    with self.subTest(page=page.name):
                        tomllib.loads(block)


if __name__ == "__main__":
    unittest.main()
