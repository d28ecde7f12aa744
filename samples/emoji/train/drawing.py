"""Runs `gesso run` for the scripts that count what was drawn."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

BUILT = Path(__file__).resolve().parent.parent.parent.parent / "build/release/bin/gesso"


def program():
    found = os.environ.get("GESSO_PROGRAM") or (str(BUILT) if BUILT.exists() else shutil.which("gesso"))
    return found or sys.exit("gesso is not there; build it, or set GESSO_PROGRAM")


def draw(pipeline, out, sets):
    subprocess.run([program(), "run", pipeline, "--quiet", "--out", str(out),
                    *(word for text in sets for word in ("--set", text))],
                   check=True, stdout=subprocess.DEVNULL)
