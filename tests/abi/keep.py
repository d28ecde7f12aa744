"""Makes the folder of a new release: keep.py RELEASE. Done once, when the minor is raised, and never again for it.

It has the headers' snapshot, their types as libabigail sees them, and the plugins of strangers (samples/plugins) as they are
built today. The host of the release, host.c, is written by hand: the structs as they are now, and the least that a host does.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import snapshot
import types_by_abigail

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HEADERS = ROOT / "sdk" / "include" / "gesso"
SAMPLES = ROOT / "samples" / "plugins"
CODE = ["-O2", "-DNDEBUG", "-fPIC", "-shared", "-s", "-fvisibility=hidden", f"-I{HEADERS.parent}", "-Wl,-z,defs", "-Wl,--exclude-libs,ALL",
        "-Wl,--gc-sections"]
EXPORTS = "{ global: gesso_plugin_entry_*; local: *; };\n"
C = ["cc", "-std=c11", *CODE]
CPP = ["c++", "-std=c++20", "-fvisibility-inlines-hidden", *CODE]
RUST = ["rustc", "--edition", "2021", "--crate-type", "cdylib", "-C", "opt-level=s", "-C", "strip=symbols", f"--remap-path-prefix={ROOT}=gesso"]
PLUGINS = {"adams": C, "album": CPP, "one_at_a_time": CPP, "pixel_art": CPP, "two_sides": RUST}
DATA = ["*.gesso.toml", "*.variant.toml", "*.validate.toml", "*.safetensors", "pixel_art.toml"]


def keep_plugin(name, compiler, folder):
    folder.mkdir(parents=True)
    sources = [path for ending in ("*.c", "*.cpp", "*.rs") for path in sorted((SAMPLES / name).glob(ending))]
    with tempfile.NamedTemporaryFile("w", suffix=".version") as exports:
        exports.write(EXPORTS)
        exports.flush()
        only = [] if compiler is RUST else [f"-Wl,--version-script,{exports.name}"]
        subprocess.run([*compiler, *sources, *only, "-o", folder / f"{name}.so"], check=True)
    for pattern in DATA:
        for path in (SAMPLES / name).glob(pattern):
            shutil.copy(path, folder)


def main(release):
    folder = HERE / release
    (folder / "plugins").mkdir(parents=True)
    lines = snapshot.dump(HEADERS)
    (folder / "snapshot.txt").write_text("\n".join(lines) + "\n")
    types_by_abigail.dump(HEADERS, folder / "types.abi")
    for name, compiler in PLUGINS.items():
        keep_plugin(name, compiler, folder / "plugins" / name)
    print(f"{folder}: now write host.c, and add the release to CMakeLists.txt")


if __name__ == "__main__":
    os.umask(0o022)
    main(*sys.argv[1:])
