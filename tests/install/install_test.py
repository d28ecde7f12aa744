"""Installs to a fresh prefix, builds both templates against it, and draws with one of them."""

import os
import pathlib
import subprocess
import sys
import tempfile


def run(*command, **kwargs):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, **kwargs)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stdout}\n{result.stderr}")
    return result.stdout


def main(build, source, cmake):
    with tempfile.TemporaryDirectory() as folder:
        prefix = pathlib.Path(folder) / "prefix"
        run(cmake, "--install", build, "--prefix", prefix)
        plugins = []
        for language in ("c", "cpp"):
            out = pathlib.Path(folder) / language
            run(cmake, "-S", source / "sdk" / "template" / language, "-B", out, f"-DCMAKE_PREFIX_PATH={prefix}")
            run(cmake, "--build", out)
            plugins.append(out)
        environment = dict(os.environ, GESSO_PLUGIN_PATH=":".join(map(str, plugins)))
        program = prefix / "bin" / "gesso"
        listed = run(program, "plugins", "list", "--json", env=environment)
        for name in ("org.example.straight", "org.example.straight_c", "org.gesso.z_image_turbo"):
            if name not in listed:
                sys.exit(f"{name} is not listed:\n{listed}")
        demo = prefix / "share" / "gesso" / "samples" / "emoji" / "emoji.toml"
        for scheduler in ("org.example.straight.scheduler", "org.example.straight_c.scheduler"):
            picture = pathlib.Path(folder) / f"{scheduler}.png"
            run(program, "run", demo, "--set", f"components.scheduler.id='{scheduler}'", "--set", "num_inference_steps=2",
                "--out", picture, env=environment)
            if picture.read_bytes()[:4] != b"\x89PNG":
                sys.exit(f"{picture} is no PNG")
    print("installed, built against, and drawn with foreign plugins")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3])
