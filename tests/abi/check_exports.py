"""libgesso exports exactly what its headers declare; a plugin exports exactly its entry."""

import pathlib
import re
import subprocess
import sys


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    return {line.split()[2].split("@")[0] for line in lines if line.split()[1] in "TDBRVW"}


def declared(folder):
    text = "".join(header.read_text() for header in sorted(folder.glob("*.h")))
    return set(re.findall(r"\bGESSO_CALL\s+(gesso_\w+)\s*\(", text))


def main(headers, libraries):
    problems = []
    found, expected = exported(libraries / "libgesso.so"), declared(headers)
    if found != expected:
        problems.append(f"libgesso.so: declared only {sorted(expected - found)}, "
                        f"exported only {sorted(found - expected)}")
    plugins = sorted((libraries / "gesso" / "plugins").glob("*/*.so"))
    if not plugins:
        problems.append("no plugin was found")
    for plugin in plugins:
        if exported(plugin) != {"gesso_plugin_entry_1"}:
            problems.append(f"{plugin.name} exports {sorted(exported(plugin))}")
    print("\n".join(problems) or f"libgesso.so and {len(plugins)} plugins export what they should")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
