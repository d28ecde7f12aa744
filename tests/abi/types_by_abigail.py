"""The same guard by libabigail, which compares the types themselves, down to the arguments of each function pointer.

    types_by_abigail.py dump HEADERS FILE    writes them (abidw)
    types_by_abigail.py check HEADERS FILE   exit code 1 when they are no extension of the file (abidiff)
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from snapshot import functions, headers_of, plain, structs

SUMMARY = re.compile(r"(Leaf changes|Changed leaf types|Removed/Changed/Added \w+) summary:")
APPENDED = re.compile(r"\'struct \w+\' changed:\n  type size changed from (\d+) to \d+ \(in bits\)\n"
                      r"  \d+ data member insertions?:\n((?:    \'.*\', at offset \d+ \(in bits\)\n?)+)\Z")


def carrier(folder):
    """A library that exports one symbol for each struct and each function: headers alone have none."""
    lines = []
    for path in headers_of(folder):
        text = plain(path)
        lines.append(f'#include "{path.resolve()}"')
        lines += [f"void of_{name}({name}* p);\nvoid of_{name}({name}* p) {{ (void)p; }}" for _, name in structs(text)]
        lines += [f"__typeof__(&{name}) to_{name};" for _, name in functions(text)]
    return "\n".join(lines) + "\n"


def dump(headers, out):
    with tempfile.TemporaryDirectory() as temporary:
        source, library = Path(temporary) / "types.c", Path(temporary) / "types.so"
        source.write_text(carrier(headers))
        subprocess.run([*os.environ.get("CC", "cc").split(), "-std=gnu11", "-g", "-w", "-shared", "-fPIC", f"-I{headers.parent}",
                        f"-I{headers}", source, "-o", library], check=True)
        subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--drop-private-types",
                        "--out-file", out, library], check=True)
        Path(out).write_text(Path(out).read_text().replace(f"{temporary}/", ""))


def is_extension(finding):
    """Of one finding of abidiff: a struct that has grown at its end."""
    match = APPENDED.match(finding)
    return bool(match) and all(int(offset) >= int(match[1]) for offset in re.findall(r"at offset (\d+)", match[2]))


def problems(headers, old):
    """What abidiff found beside extensions, as it says it; empty when everything that was there is as it was."""
    with tempfile.TemporaryDirectory() as temporary:
        new = Path(temporary) / "types.abi"
        dump(headers, new)
        done = subprocess.run(["abidiff", "--leaf-changes-only", "--no-added-syms", old, new], text=True, capture_output=True)
    if done.returncode & 3:  # abidiff itself failed
        return done.stdout + done.stderr
    findings = [part for part in done.stdout.strip().split("\n\n") if not SUMMARY.match(part)]
    return "\n\n".join(finding for finding in findings if not is_extension(finding.strip("\n")))


def main(command, headers, file):
    headers = Path(headers).resolve()
    if command == "dump":
        dump(headers, file)
        return 0
    found = problems(headers, file)
    print(found or "nothing that was there changed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
