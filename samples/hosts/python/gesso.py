#!/usr/bin/env python3
"""Gesso from Python: one file, ctypes, nothing to build.

    python gesso.py emoji.toml "a red apple" apple.png

or as a module:

    with Engine() as engine, engine.load("emoji.toml") as pipeline:
        for picture in pipeline.generate(prompt="a red apple", seed=7):
            picture.save("apple.png")

The library is found in GESSO_LIBRARY, else by the dynamic linker.
"""

import ctypes as c
import os
import sys

OK = 0
INT, REAL, TEXT, BOOL = 1, 2, 3, 7


class Error(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("status", c.c_int32), ("text", c.c_char_p), ("capacity", c.c_uint32),
                ("length", c.c_uint32)]


class Content(c.Union):
    _fields_ = [("i", c.c_int64), ("r", c.c_double), ("t", c.c_char_p)]


class Value(c.Structure):
    _fields_ = [("key", c.c_char_p), ("type", c.c_int32), ("count", c.c_uint32), ("u", Content)]


class Request(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("n_values", c.c_uint32), ("values", c.POINTER(Value)),
                ("images", c.c_void_p), ("n_images", c.c_uint64)]


class Config(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("flags", c.c_uint32), ("plugin_paths", c.POINTER(c.c_char_p)),
                ("n_plugin_paths", c.c_uint32), ("threads", c.c_uint32), ("log", c.c_void_p), ("user", c.c_void_p)]


class GessoError(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


library = c.CDLL(os.environ.get("GESSO_LIBRARY", "libgesso.so.1"))
library.gesso_version.restype = library.gesso_text_data.restype = library.gesso_image_text.restype = c.c_char_p
library.gesso_image_pixels.restype = c.c_void_p
for release in ("engine_destroy", "pipeline_release", "job_release", "image_release", "text_release", "job_cancel"):
    getattr(library, f"gesso_{release}").restype = None


def call(function, *arguments):
    """Calls a function whose last argument is the error."""
    room = c.create_string_buffer(4096)
    error = Error(c.sizeof(Error), 0, c.cast(room, c.c_char_p), len(room), 0)
    status = getattr(library, function)(*arguments, c.byref(error))
    if status != OK:
        raise GessoError(status, room.value.decode())


def make(function, *arguments):
    """The same for one that hands out an object before it."""
    handle = c.c_void_p()
    call(function, *arguments, c.byref(handle))
    return handle


def values_of(options):
    values = (Value * len(options))()
    for value, (key, option) in zip(values, options.items()):
        value.key, value.count = key.encode(), 1
        if isinstance(option, bool):
            value.type, value.u.i = BOOL, option
        elif isinstance(option, int):
            value.type, value.u.i = INT, option
        elif isinstance(option, float):
            value.type, value.u.r = REAL, option
        else:
            value.type, value.u.t = TEXT, str(option).encode()
    return values


class Owner:
    """Releases its handle at the end of a `with`, or with the object."""
    release = None

    def __init__(self, handle, parent=None):
        self.handle, self.parent = handle, parent  # the parent lives as long

    def close(self):
        handle, self.handle = self.handle, None
        if handle:
            getattr(library, self.release)(handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()


class Picture(Owner):
    release = "gesso_image_release"

    def save(self, path):
        call("gesso_image_save", self.handle, os.fsencode(path))

    def pixels(self):
        """(bytes, width, height, channels)"""
        size = [c.c_uint32() for _ in range(3)]
        library.gesso_image_size(self.handle, *map(c.byref, size))
        width, height, channels = (part.value for part in size)
        data = c.string_at(library.gesso_image_pixels(self.handle), width * height * channels)
        return data, width, height, channels


class Job(Owner):
    """The pictures, in order, as they are ready."""
    release = "gesso_job_release"

    def __iter__(self):
        while True:
            handle = make("gesso_job_next", self.handle)
            if not handle:
                return
            yield Picture(handle)


class Pipeline(Owner):
    release = "gesso_pipeline_release"

    def generate(self, **options):
        values = values_of(options)
        request = Request(c.sizeof(Request), len(values), values, None, 0)
        return Job(make("gesso_generate", self.handle, c.byref(request), None), self)


class Engine(Owner):
    release = "gesso_engine_destroy"

    def __init__(self, plugin_paths=()):
        paths = (c.c_char_p * len(plugin_paths))(*map(os.fsencode, plugin_paths))
        config = Config(c.sizeof(Config), 0, paths, len(paths), 0, None, None)
        super().__init__(make("gesso_engine_create", c.byref(config)))

    def load(self, path, *overrides):
        texts = (c.c_char_p * len(overrides))(*(text.encode() for text in overrides))
        return Pipeline(make("gesso_pipeline_load", self.handle, os.fsencode(path), texts, len(texts)), self)

    def register(self, manifest, entry):
        """A plugin that is written in Python; see samples/plugins/cosine."""
        call("gesso_engine_register", self.handle, manifest.encode(), entry)


def main(pipeline_file, prompt, out):
    with Engine() as engine, engine.load(pipeline_file) as pipeline:
        for picture in pipeline.generate(prompt=prompt):
            picture.save(out)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except GessoError as failure:
        sys.exit(f"gesso.py: {failure}")
