"""The binary interface that the headers describe, as lines that can be compared.

    snapshot.py dump HEADERS             prints it
    snapshot.py check HEADERS SNAPSHOT   exit code 1 when it is no extension of the snapshot

Appended fields, new structs, constants and functions are extensions; everything else breaks plugins
that were built before. Offsets and values are told by the compiler ($CC, else cc)."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = {"dlpack.h"}  # of another project, unchanged


def headers_of(folder):
    return [path for path in sorted(folder.rglob("*.h")) if path.name not in SKIPPED]


def plain(path):
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", path.read_text(), flags=re.S)
    return text.replace("\\\n", " ")


def words(text):
    return re.sub(r"\s*([(),*])\s*", r"\1", " ".join(text.split()))


def fields(body):
    """(name, declaration) of each field; of an unnamed union its own members are not looked at."""
    found = []
    body = re.sub(r"union\s*\{[^}]*\}\s*(\w+)", lambda m: f"union_of_values {m[1]}", body)
    for declaration in filter(None, (d.strip() for d in body.split(";"))):
        function = re.search(r"\(\s*GESSO_CALL\s*\*\s*(\w+)\s*\)", declaration)
        if function:
            found.append((function[1], words(declaration)))
            continue
        kind = re.match(r"(.*?[\s*])(\w+(?:\[\w+\])?(?:\s*,\s*\w+)*)$", declaration, re.S)
        for name in kind[2].split(","):
            name = name.strip()
            found.append((name.split("[")[0], words(kind[1] + name)))
    return found


def structs(text):
    return re.findall(r"typedef\s+struct\s+\w+\s*\{(.*?)\}\s*(gesso_\w+)\s*;", text, re.S)


def enumerators(text):
    bodies = re.findall(r"enum\s*\w*\s*\{(.*?)\}", text, re.S)
    return [name for body in bodies for name in re.findall(r"\b(GESSO_\w+)", body.split("}")[0])
            if re.search(rf"(^|,)\s*{name}\b", body, re.S)]


def constants(text):
    return re.findall(r"^\s*#define\s+(GESSO_\w+)\s+(\"[^\"]*\"|\(?-?(?:0x)?[0-9A-Fa-f]+u?l*\)?)\s*$", text, re.M)


def functions(text):
    return re.findall(r"GESSO_(?:EXPORT|API)\s+([^;{]*?GESSO_CALL\s+(gesso_\w+)\s*\([^;]*?\))\s*;",
                      text, re.S)


PASSING = {"GESSO_ABI_MINOR", "GESSO_API_MINOR", "GESSO_TARGET_MINOR"}  # what every release changes


def dump(folder):
    program, lines = ["#include <stdio.h>", "#include <stddef.h>"], []
    body = []
    for path in headers_of(folder):
        text = plain(path)
        program.append(f'#include "{path.resolve()}"')
        for struct, name in structs(text):
            kind = "grows" if re.match(r"\s*uint32_t\s+struct_size", struct) else "sealed"
            body.append(f'printf("struct {name} {kind} size %zu\\n", sizeof({name}));')
            for field, declaration in fields(struct):
                quoted = declaration.replace('"', '\\"')
                body.append(f'printf("field {name}.{field} at %zu: {quoted}\\n", '
                            f'offsetof({name}, {field}));')
        for name in enumerators(text):
            body.append(f'printf("constant {name} = %lld\\n", (long long){name});')
        lines += [f"text {name} = {value}" for name, value in constants(text) if name not in PASSING]
        lines += [f"function {name}: {words(whole)}" for whole, name in functions(text)]
    program += ["int main(void) {", *body, "return 0; }"]
    with tempfile.TemporaryDirectory() as temporary:
        source, binary = Path(temporary) / "dump.c", Path(temporary) / "dump"
        source.write_text("\n".join(program))
        subprocess.run([*os.environ.get("CC", "cc").split(), "-std=c11", "-w", f"-I{folder.parent}",
                        f"-I{folder}", str(source), "-o", str(binary)], check=True)
        out = subprocess.run([binary], check=True, capture_output=True, text=True).stdout
    return sorted(set(lines + out.splitlines()))


def parse(lines):
    """{"struct gesso_x_t": (kind, size)}, {"field ..": (offset, declaration)}, other lines by name"""
    sizes, placed, others = {}, {}, {}
    for line in lines:
        if line.startswith("struct "):
            _, name, kind, _, size = line.split()
            sizes[name] = (kind, int(size))
        elif line.startswith("field "):
            head, declaration = line.split(": ", 1)
            _, name, _, offset = head.split()
            placed[name] = (int(offset), declaration)
        elif line:
            name, rest = re.match(r"(\w+ \w+)(.*)", line).groups()
            others[name] = rest
    return sizes, placed, others


def problems(old_lines, new_lines):
    """What is not an extension, each with what to do instead."""
    old_sizes, old_fields, old_others = parse(old_lines)
    sizes, placed, others = parse(new_lines)
    found = []
    for name, (kind, size) in old_sizes.items():
        if name not in sizes:
            found.append(f"{name} is gone: keep it, and mark it as deprecated")
            continue
        new_kind, new_size = sizes[name]
        if kind != new_kind:
            found.append(f"{name} was {kind}, now {new_kind}: keep struct_size as it was")
        elif kind == "sealed" and size != new_size:
            found.append(f"{name} is sealed and went from {size} to {new_size} bytes: arrays hold it "
                         "by value; make another struct, behind an interface of another revision")
        elif new_size < size:
            found.append(f"{name} went from {size} to {new_size} bytes: fields stay for ever")
    for name, (offset, declaration) in old_fields.items():
        if name not in placed:
            found.append(f"{name} is gone or has another name: fields stay for ever; leave it, unused")
        elif placed[name][0] != offset:
            found.append(f"{name} moved from {offset} to {placed[name][0]}: append new fields at the "
                         "end of the struct")
        elif placed[name][1] != declaration:
            found.append(f"{name} was `{declaration}`, now `{placed[name][1]}`: append a field of "
                         "another name, and read both")
    for name, (offset, _) in placed.items():
        struct = name.split(".")[0]
        if name not in old_fields and struct in old_sizes and offset < old_sizes[struct][1]:
            found.append(f"{name} is new and lies inside the old {struct}: append it at the end")
    for name, rest in old_others.items():
        if name not in others:
            found.append(f"{name} is gone: names and numbers stay for ever")
        elif others[name] != rest:
            found.append(f"{name} was{rest}, now{others[name]}: numbers, ids and arguments never "
                         "change; add another one")
    return found


def main(command, headers, snapshot=None):
    lines = dump(Path(headers).resolve())
    if command == "dump":
        print("\n".join(lines))
        return 0
    found = problems(Path(snapshot).read_text().splitlines(), lines)
    if found:
        print("The headers break plugins and hosts that were built before:")
        print("\n".join(f"- {text}" for text in found))
        return 1
    print(f"{len(lines)} lines; nothing that was there changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
