#!/usr/bin/env python3
"""A scheduler in Python, through ctypes: steps along a quarter of a cosine.

    python cosine.py emoji.toml "a red apple" apple.png

Python is the host here: it fills the tables of the C headers with its own functions and registers them in its
engine, so that no library, no embedded interpreter and no build is needed (docs/decisions/0016-plugins-without-a-file.md).
`plan` is called a few times per picture; the work between its steps is done by the engine.
"""

import ctypes as c
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "hosts" / "python"))
import gesso  # noqa: E402

ID = b"org.example.cosine.scheduler"
MANIFEST = """
manifest = 1
plugin = { id = "org.example.cosine", version = "1.0.0", vendor = "Example", license = "Apache-2.0" }
abi = { major = 1, minor = 0 }
requires.runtime = "none"

[[component]]
id = "org.example.cosine.scheduler"
kind = "scheduler"
name = "Cosine"
version = "1.0.0"
summary = "Small steps at both ends, long ones between"
interfaces = ["gesso.scheduler/1"]
"""
MINOR = 0  # every host of this major speaks it
OK, INVALID_ARGUMENT, NOT_FOUND = 0, 2, 3
VELOCITY = 1
pointer, size, number = c.c_void_p, c.c_uint32, c.c_double


# The structs of gesso/kind/scheduler.h and gesso/plugin.h.

class Eval(c.Structure):
    _fields_ = [("timestep", number), ("sigma", number), ("sigma_next", number), ("c_sample", number),
                ("c_noise", number), ("c_history", number * 4), ("n_history", size), ("flags", size)]


class ScheduleRequest(c.Structure):
    _fields_ = [("struct_size", size), ("n_steps", size), ("strength", number), ("latent_tokens", c.c_uint64),
                ("values", pointer), ("n_values", c.c_uint64)]


PLAN = c.CFUNCTYPE(c.c_int32, pointer, pointer, c.POINTER(ScheduleRequest), c.POINTER(Eval), size, c.POINTER(size))
TRAIN_POINT = c.CFUNCTYPE(c.c_int32, pointer, pointer, c.POINTER(ScheduleRequest), number, c.POINTER(number),
                          c.POINTER(number), c.POINTER(number))


class Scheduler(c.Structure):
    _fields_ = [("struct_size", size), ("prediction", c.c_int32), ("plan", PLAN), ("train_point", TRAIN_POINT)]


class Description(c.Structure):
    _fields_ = [("struct_size", size), ("n_params", size), ("id", c.c_char_p), ("kind", c.c_char_p), ("name", c.c_char_p),
                ("version", c.c_char_p), ("summary", c.c_char_p), ("interfaces", c.POINTER(c.c_char_p)),
                ("params", pointer)]


PREPARE = c.CFUNCTYPE(c.c_int32, pointer, pointer, pointer)
GET_INTERFACE = c.CFUNCTYPE(pointer, pointer, c.c_char_p)
DESTROY = c.CFUNCTYPE(None, pointer)


class Component(c.Structure):
    _fields_ = [("struct_size", size), ("reserved", size), ("self", pointer), ("desc", c.POINTER(Description)),
                ("prepare", PREPARE), ("get_interface", GET_INTERFACE), ("destroy", DESTROY)]


CREATE = c.CFUNCTYPE(c.c_int32, pointer, pointer, c.c_char_p, c.POINTER(c.POINTER(Component)), pointer)
SHUTDOWN = c.CFUNCTYPE(None, pointer)


class Plugin(c.Structure):
    _fields_ = [("struct_size", size), ("abi_minor", size), ("id", c.c_char_p), ("version", c.c_char_p),
                ("vendor", c.c_char_p), ("license", c.c_char_p), ("components", c.POINTER(c.POINTER(Description))),
                ("n_components", c.c_uint64), ("create", CREATE), ("get_interface", GET_INTERFACE),
                ("shutdown", SHUTDOWN)]


class Host(c.Structure):
    _fields_ = [("struct_size", size), ("abi_minor", size)]


ENTRY = c.CFUNCTYPE(c.c_int32, c.POINTER(Host), c.POINTER(c.POINTER(Plugin)), pointer)


# The scheduler itself.

def level(place, strength):
    """Noise at `place` from 0, the start, to 1, the picture."""
    return strength * (1 + math.cos(math.pi * place)) / 2


@PLAN
def plan(_self, _call, request, evals, capacity, count):
    steps, strength = request[0].n_steps, request[0].strength
    if steps < 1 or not 0 < strength <= 1:
        return INVALID_ARGUMENT
    count[0] = steps
    for i in range(min(steps, capacity)):
        now, after = level(i / steps, strength), level((i + 1) / steps, strength)
        evals[i] = Eval(1000 * now, now, after, 1, 0, (after - now,), 1, 0)  # Euler: x + (after - now) * velocity
    return OK


@TRAIN_POINT
def train_point(_self, _call, request, u, timestep, sigma, weight):
    sigma[0] = level(u, request[0].strength)
    timestep[0], weight[0] = 1000 * sigma[0], 1
    return OK


# What hands it to the engine. These objects live as long as the process, since the engine keeps their addresses.

scheduler = Scheduler(c.sizeof(Scheduler), VELOCITY, plan, train_point)
interfaces = (c.c_char_p * 2)(b"gesso.scheduler/1", None)
description = Description(c.sizeof(Description), 0, ID, b"scheduler", b"Cosine", b"1.0.0",
                          b"Small steps at both ends, long ones between", interfaces, None)
descriptions = (c.POINTER(Description) * 1)(c.pointer(description))
alive = {}


@PREPARE
def prepare(_self, _call, _setup):
    return OK


@GET_INTERFACE
def get_interface(_self, name):
    return c.addressof(scheduler) if name == b"gesso.scheduler/1" else None


@DESTROY
def destroy(this):
    alive.pop(this, None)


@CREATE
def create(_plugin, _host, name, out, _error):
    if name != ID:
        return NOT_FOUND
    component = Component(c.sizeof(Component), 0, None, c.pointer(description), prepare, get_interface, destroy)
    component.self = c.addressof(component)
    alive[component.self] = component
    out[0] = c.pointer(component)
    return OK


@GET_INTERFACE
def plugin_interface(_plugin, _name):
    return None


@SHUTDOWN
def shutdown(_plugin):
    pass


plugin = Plugin(c.sizeof(Plugin), MINOR, b"org.example.cosine", b"1.0.0", b"Example", b"Apache-2.0", descriptions, 1, create,
                plugin_interface, shutdown)


@ENTRY
def entry(_host, out, _error):
    out[0] = c.pointer(plugin)
    return OK


def main(pipeline_file, prompt, out):
    with gesso.Engine() as engine:
        engine.register(MANIFEST, entry)
        with engine.load(pipeline_file, f'components.scheduler.id="{ID.decode()}"') as pipeline:
            for picture in pipeline.generate(prompt=prompt):
                picture.save(out)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except gesso.GessoError as failure:
        sys.exit(f"cosine.py: {failure}")
