"""Every function of the public headers is marked: who may call it, when, and what follows (gesso/abi.h). What the
checking layer enforces is what the marks say."""

import os
import re
import unittest
from pathlib import Path

ROOT = Path(os.environ["GESSO_SOURCE_DIR"])
SDK = ROOT / "sdk/include/gesso"
HEADERS = [path for path in sorted(SDK.rglob("*.h")) if path.name != "dlpack.h"]
RULES = ROOT / "host/engine/check/rules.hpp"

# Called by the registry alone; without an object that could be watched; of the application's side.
NOT_WATCHED = {"gesso_plugin_t.create", "gesso_plugin_t.get_interface", "gesso_plugin_t.shutdown",
               "gesso_random_service_t.normal", "gesso_engine_config_t.log", "gesso_job_callbacks_t.event"}

MARK = re.compile(r"\[(?:thread-safe|instance|exclusive)(?: & (?:created|ready|in prepare|in call|last))?(?:; until (\w+))?\]")
COMMENT = r"(?:/\*(?:(?!\*/).)*\*/|//[^\n]*)"
STRUCT = re.compile(rf"({COMMENT})?\s*typedef struct \w+ \{{(.*?)\n\}} (gesso_\w+);", re.S)
FIELD = re.compile(rf"({COMMENT})?\s*[\w \*]+\(GESSO_CALL\* (\w+)\)\([^;]*\);(?:[ \t]*({COMMENT}))?", re.S)
EXPORT = re.compile(rf"({COMMENT})?\s*GESSO_(?:API|EXPORT)\s[^;{{#]*?GESSO_CALL\s+(gesso_\w+)\([^;]*\);(?:[ \t]*({COMMENT}))?", re.S)
INLINE = re.compile(rf"({COMMENT})?\s*static inline \w+ (gesso_\w+)\(()", re.S)


def text_of(*comments):
    return next((c.strip("/* \n") for c in comments if c.strip("/* \n").startswith("[")), "")


def functions(text):
    """(name, "[mark]" or "") of each function; of tables "gesso_module_t.run". Where lines are too short, the comment of
    the struct says "`forward`: [mark]"."""
    for above, body, table in STRUCT.findall(text):
        for before, name, after in FIELD.findall(body):
            yield f"{table}.{name}", mark_of(before, after, above.partition(f"`{name}`: ")[2])
    for pattern in (EXPORT, INLINE):
        for before, name, after in pattern.findall(text):
            yield name, mark_of(before, after)


def mark_of(*comments):
    found = MARK.match(text_of(*comments))
    return found[0] if found else ""


def all_functions():
    return {name: mark for path in HEADERS for name, mark in functions(path.read_text())}


class Marks(unittest.TestCase):
    def test_every_function_has_one(self):
        for name, mark in all_functions().items():
            with self.subTest(name):
                self.assertTrue(mark, "expected a comment above it, or behind it, that begins with [thread-safe], "
                                "[instance] or [exclusive]; see gesso/abi.h")

    def test_none_is_overlooked(self):
        """Counted in another way: by the calling convention, which every function names."""
        text = "".join(re.sub(COMMENT, "", path.read_text(), flags=re.S) for path in HEADERS)
        named = len(re.findall(r"\bGESSO_CALL\b", text)) + len(re.findall(r"^static inline", text, re.M))
        not_functions = len(re.findall(r"#define GESSO_CALL\b", text)) + len(re.findall(r"typedef [^;{]*\(GESSO_CALL\*", text))
        self.assertEqual(len(all_functions()), named - not_functions)
        self.assertGreater(named, 70)

    def test_what_ends_it_exists(self):
        names = {name.rpartition(".")[2] for name in all_functions()}
        for name, mark in all_functions().items():
            until = MARK.match(mark)[1] if mark else None
            if until:
                with self.subTest(name):
                    self.assertTrue(until in names or any(other.endswith(f"_{until}") for other in names), until)

    def test_it_sees_what_is_missing(self):
        text = ("typedef struct gesso_a {\n  uint32_t struct_size;\n  /* Runs. */\n  void(GESSO_CALL* run)(void* self);\n"
                "  /* [instance & readyish] */\n  void(GESSO_CALL* walk)(void* self);\n"
                "  void(GESSO_CALL* stop)(void* self); /* [instance & last] */\n} gesso_a_t;\n"
                "/* Ends. */\nGESSO_API void GESSO_CALL gesso_end(int a,\n  int b);\n")
        self.assertEqual(dict(functions(text)), {"gesso_a_t.run": "", "gesso_a_t.walk": "", "gesso_a_t.stop": "[instance & last]",
                                                 "gesso_end": ""})

    def test_the_checking_layer_enforces_them(self):
        written = dict(re.findall(r'mark<&([\w:]+)>\(\s*"\w+",\s*"(\[[^"]*\])"\)', RULES.read_text()))
        names = dict(re.findall(r'mark<&([\w:]+)>\(\s*"(\w+)"', RULES.read_text()))
        self.assertEqual({name.replace("::", ".") for name in written},
                         {name for name in all_functions() if "." in name} - NOT_WATCHED)
        for name, mark in written.items():
            with self.subTest(name):
                self.assertEqual(mark, all_functions()[name.replace("::", ".")])
                self.assertEqual(names[name], name.rpartition("::")[2])


if __name__ == "__main__":
    unittest.main()
