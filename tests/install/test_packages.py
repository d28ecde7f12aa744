"""The tarball runs from any folder, twice moved; the .deb says what it needs; strangers build against them."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

BUILD = Path(os.environ["GESSO_BUILD"])
CMAKE = os.environ["GESSO_CMAKE"]


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="gesso-packages-")
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = Path(temporary.name).resolve()
        run(os.environ["GESSO_CPACK"], "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder / "packages")

    def package(self, ending):
        found = sorted((self.folder / "packages").glob(f"*{ending}"))
        self.assertEqual(len(found), 1, found)
        return found[0]

    def test_tarball_runs_where_it_is_unpacked(self):
        with tarfile.open(self.package(".tar.gz")) as archive:
            names = archive.getnames()
            archive.extractall(self.folder / "first")
        self.assertTrue(all(not name.startswith("/") and ".." not in name for name in names))
        moved = self.folder / "second" / "place"
        shutil.copytree(next((self.folder / "first").iterdir()), moved, symlinks=True)
        shutil.rmtree(self.folder / "first")
        self.assertRegex(run(moved / "bin/gesso", "--version"), r"gesso \d")
        picture = self.folder / "picture.png"
        run(moved / "bin/gesso", "run", "--set", "num_inference_steps=2", "--out", picture)
        self.assertEqual(picture.read_bytes()[:4], b"\x89PNG")
        self.assertTrue((moved / "lib/libgesso.so.1").is_symlink())
        self.assertGreater(self.check_digests(moved / "lib/gesso/plugins"), 20)
        run(moved / "bin/gesso", "run", "--no-third-party", "--isolate", "org.gesso.flow_match", "--set",
            "num_inference_steps=2", "--out", picture)
        self.build_against(moved)

    def check_digests(self, folder):
        """Every manifest with a library has the digest of the library as it was installed, after stripping."""
        manifests = list(folder.glob("**/*.gesso.toml"))
        for path in manifests:
            text = path.read_text()
            library = path.parent / re.search(r'^library = "(.*)"', text, re.M)[1]
            with self.subTest(path.name):
                self.assertEqual(re.search(r'^sha256 = "(.*)"', text, re.M)[1],
                                 hashlib.sha256(library.read_bytes()).hexdigest())
        return len(manifests)

    def build_against(self, prefix):
        samples = prefix / "share/gesso/samples"
        for name, made in (("plugins/adams", "adams.so"), ("hosts/c", "paint")):
            out = self.folder / "build" / name
            run(CMAKE, "-S", samples / name, "-B", out, f"-DCMAKE_PREFIX_PATH={prefix}")
            run(CMAKE, "--build", out)
            self.assertTrue((out / made).exists())
            self.assertIn(str(prefix), (out / "CMakeCache.txt").read_text())
        run(CMAKE, "--install", self.folder / "build/plugins/adams", "--prefix", self.folder / "own", "--strip")
        self.assertEqual(self.check_digests(self.folder / "own"), 1)

    @unittest.skipUnless(shutil.which("dpkg-shlibdeps"), "dpkg-dev is not installed")
    def test_deb_says_what_it_needs(self):
        package = self.package(".deb")
        fields = run("dpkg-deb", "--field", package)
        self.assertRegex(fields, r"(?m)^Package: gesso$")
        self.assertRegex(fields, r"(?m)^Depends: .*libc6")
        listed = run("dpkg-deb", "--contents", package)
        for path in ("./usr/bin/gesso", "./usr/lib/libgesso.so.1", "./usr/lib/gesso/plugins/z_image_turbo/z_image_turbo.so",
                     "./usr/lib/gesso/plugins/shipped.txt", "./usr/lib/gesso/gesso-plugin-host",
                     "./usr/include/gesso/gesso.h", "./usr/lib/pkgconfig/gesso.pc", "./usr/lib/cmake/gesso/gessoConfig.cmake",
                     "./usr/share/gesso/template/README.md", "./usr/share/gesso/samples/emoji/emoji.toml"):
            self.assertIn(path, listed)


if __name__ == "__main__":
    unittest.main()
