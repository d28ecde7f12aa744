"""libgesso from another language: one file, ctypes, nothing else."""

import ctypes
import json
import os
import re
import tempfile
import unittest
from pathlib import Path

import tiny_models
from program import DEMO, needs_demo

LIBRARY = os.environ["GESSO_LIBRARY"]
HEADERS = Path(os.environ["GESSO_HEADERS"])

OK, CANCELLED, INVALID_ARGUMENT = 0, 1, 2
INT, TEXT = 1, 3
STEP, END = 2, 7


class Error(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("status", ctypes.c_int32),
                ("text", ctypes.c_char_p), ("capacity", ctypes.c_uint32),
                ("length", ctypes.c_uint32)]


class Union(ctypes.Union):
    _fields_ = [("i", ctypes.c_int64), ("r", ctypes.c_double), ("t", ctypes.c_char_p)]


class Value(ctypes.Structure):
    _fields_ = [("key", ctypes.c_char_p), ("type", ctypes.c_int32), ("count", ctypes.c_uint32),
                ("u", Union)]


class Request(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("n_values", ctypes.c_uint32),
                ("values", ctypes.POINTER(Value)), ("images", ctypes.c_void_p),
                ("n_images", ctypes.c_uint64)]


class Event(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("type", ctypes.c_int32),
                ("stage", ctypes.c_char_p), ("text", ctypes.c_char_p), ("step", ctypes.c_uint64),
                ("total", ctypes.c_uint64), ("seconds_left", ctypes.c_double),
                ("image", ctypes.c_void_p), ("status", ctypes.c_int32),
                ("reserved", ctypes.c_uint32)]


ON_EVENT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(Event))


class Callbacks(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("event", ON_EVENT),
                ("user", ctypes.c_void_p)]


def open_library():
    library = ctypes.CDLL(LIBRARY)
    library.gesso_version.restype = ctypes.c_char_p
    library.gesso_text_data.restype = ctypes.c_char_p
    library.gesso_image_text.restype = ctypes.c_char_p
    library.gesso_image_pixels.restype = ctypes.c_void_p
    return library


def declared_functions():
    text = "".join(header.read_text() for header in sorted(HEADERS.glob("*.h")))
    return set(re.findall(r"\b(gesso_[a-z_]+)\(", text))


class LibraryTest(unittest.TestCase):
    def setUp(self):
        self.library = open_library()
        self.error = Error(ctypes.sizeof(Error), 0, None, 0, 0)
        self.buffer = ctypes.create_string_buffer(4096)
        self.error.text = ctypes.cast(self.buffer, ctypes.c_char_p)
        self.error.capacity = len(self.buffer)
        self.engine = self.make("gesso_engine_create", None)
        self.addCleanup(self.library.gesso_engine_destroy, self.engine)

    def status(self, function, *arguments):
        return getattr(self.library, function)(*arguments, ctypes.byref(self.error))

    def make(self, function, *arguments):
        """Calls a function whose last result is a handle."""
        handle = ctypes.c_void_p()
        status = self.status(function, *arguments, ctypes.byref(handle))
        self.assertEqual(status, OK, self.buffer.value.decode())
        return handle

    def text(self, function, *arguments):
        handle = self.make(function, *arguments)
        answer = self.library.gesso_text_data(handle).decode()
        self.library.gesso_text_release(handle)
        return answer

    def test_every_declared_function_is_exported(self):
        functions = declared_functions()
        self.assertIn("gesso_generate", functions)
        for name in functions:
            self.assertTrue(hasattr(self.library, name), name)

    def test_questions_are_answered(self):
        answer = json.loads(self.text("gesso_engine_ask", self.engine, b"plugins", None))
        self.assertIn("candidates", answer)
        self.assertEqual(self.status("gesso_engine_ask", self.engine, b"nothing", None,
                                     ctypes.byref(ctypes.c_void_p())), INVALID_ARGUMENT)
        self.assertIn(b"nothing", self.buffer.value)

    def generate(self, pipeline, values, on_event):
        list_ = (Value * len(values))()
        for i, (key, value) in enumerate(values.items()):
            list_[i].key, list_[i].count = key.encode(), 1
            if isinstance(value, int):
                list_[i].type, list_[i].u.i = INT, value
            else:
                list_[i].type, list_[i].u.t = TEXT, value.encode()
        request = Request(ctypes.sizeof(Request), len(values), list_, None, 0)
        self.callback = ON_EVENT(on_event)  # lives as long as the job
        callbacks = Callbacks(ctypes.sizeof(Callbacks), 0, self.callback, None)
        return self.make("gesso_generate", pipeline, ctypes.byref(request), ctypes.byref(callbacks))

    @needs_demo
    def test_a_picture_is_made_and_a_cancelled_run_leaves_the_pipeline_usable(self):
        pipeline = self.make("gesso_pipeline_load", self.engine, str(DEMO).encode(), None, 0)
        self.addCleanup(self.library.gesso_pipeline_release, pipeline)
        values = {"prompt": "a red circle", "seed": 3, "num_inference_steps": 3}

        def cancel(_user, job, event):
            if event[0].type == STEP:
                self.library.gesso_job_cancel(ctypes.c_void_p(job))

        job = self.generate(pipeline, values, cancel)
        self.assertEqual(self.status("gesso_job_wait", job, ctypes.c_uint64(0)), CANCELLED)
        self.library.gesso_job_release(job)

        heard = []
        job = self.generate(pipeline, values, lambda _u, _j, event: heard.append(event[0].type))
        image = self.make("gesso_job_next", job)
        parameters = json.loads(self.library.gesso_image_text(image, b"gesso"))
        self.assertEqual(parameters["generate"]["seed"], 3)
        self.assertTrue(self.library.gesso_image_pixels(image))
        self.library.gesso_image_release(image)
        self.assertEqual(self.status("gesso_job_wait", job, ctypes.c_uint64(0)), OK)
        self.assertEqual((heard.count(STEP), heard[-1]), (3, END))
        report = json.loads(self.text("gesso_job_report", job))
        self.assertEqual(report["status"], "OK")
        self.library.gesso_job_release(job)

    def draw(self, pipeline):
        """The pixels of one small picture."""
        job = self.generate(pipeline, {"prompt": "a red circle", "seed": 3, "num_inference_steps": 2},
                            lambda *_: None)
        image = self.make("gesso_job_next", job)
        data = ctypes.string_at(self.library.gesso_image_pixels(image), 64 * 64 * 3)
        self.library.gesso_image_release(image)
        self.library.gesso_job_release(job)
        return data

    @needs_demo
    def test_loras_are_swapped_between_pictures_and_leave_no_trace(self):
        for overrides in ([], [b"components.denoiser.storage=nf4"], [b"components.denoiser.storage=fp8_e4m3"]):
            with self.subTest(overrides=overrides):
                self.swap_loras(overrides)

    def swap_loras(self, overrides):
        texts = (ctypes.c_char_p * len(overrides))(*overrides)
        pipeline = self.make("gesso_pipeline_load", self.engine, str(DEMO).encode(), texts, len(overrides))
        self.addCleanup(self.library.gesso_pipeline_release, pipeline)
        width = json.loads((DEMO.parent / "transformer/config.json").read_text())["dim"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "style.safetensors"
            shapes = tiny_models.lora_shapes({"dim": width}, 4, targets=("attention.to_q", "attention.to_v"))
            tiny_models.write_safetensors(path, shapes, scale=0.5)
            before = self.draw(pipeline)
            for mode in (b"runtime", b"fuse"):
                values = (Value * 2)()
                values[0].key, values[0].type, values[0].count = b"name", TEXT, 1
                values[0].u.t = b"style"
                values[1].key, values[1].type, values[1].count = b"mode", TEXT, 1
                values[1].u.t = mode
                status = self.status("gesso_pipeline_add_adapter", pipeline, str(path).encode(), values, 2)
                self.assertEqual(status, OK, self.buffer.value.decode())
                full = self.draw(pipeline)
                self.assertEqual(self.status("gesso_pipeline_set_adapter_scale", pipeline, b"style",
                                             ctypes.c_double(-1.0)), OK)
                turned = self.draw(pipeline)
                self.assertEqual(len({before, full, turned}), 3)
                self.assertEqual(self.status("gesso_pipeline_add_adapter", pipeline, str(path).encode(),
                                             values, 2), INVALID_ARGUMENT)  # the name is taken
                self.assertEqual(self.status("gesso_pipeline_set_adapter_scale", pipeline, b"style",
                                             ctypes.c_double(float("nan"))), INVALID_ARGUMENT)
                self.assertEqual(self.status("gesso_pipeline_remove_adapter", pipeline, b"style"), OK)
                self.assertEqual(self.draw(pipeline), before)
            self.assertNotEqual(self.status("gesso_pipeline_remove_adapter", pipeline, b"style"), OK)
            self.assertIn(b"none is loaded", self.buffer.value)


if __name__ == "__main__":
    unittest.main()
