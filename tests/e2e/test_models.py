"""Fetching models: both hubs' protocols, against a server that also misbehaves."""

import hashlib
import json
import os
import random
import signal
import subprocess
import time
import unittest
from pathlib import Path

from hub import Hub
from program import PROGRAM, ProgramTest

MODEL = "org/model"
MIB = 1 << 20


def noise(size, seed=0):
    return random.Random(seed).randbytes(size)


class ModelsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.hub = Hub()
        self.addCleanup(self.hub.__exit__)
        self.files = {"transformer/model-1.safetensors": noise(3 * MIB, 1), "transformer/model-2.safetensors": noise(MIB, 2),
                      "transformer/config.json": b'{"dim": 3840}\n', "tokenizer/vocab.txt": b"a\nb\n", "empty.txt": b""}
        for path, data in self.files.items():
            self.hub.add(MODEL, path, data)

    def run_models(self, *arguments, code=0, **environment):
        home = {"HOME": str(self.folder), "HF_HOME": str(self.folder / "hf")}
        return self.gesso("models", *arguments, code=code, **self.hub.environment(**{**home, **environment}))

    def pull(self, *arguments, code=0, source="huggingface", name=MODEL, **environment):
        return self.run_models("pull", name, "--source", source, "--stall-timeout", "2", *arguments, code=code,
                               **environment)

    def path(self, file):
        return self.folder / "models" / MODEL / file

    def assert_whole(self, *names):
        for name in names or self.files:
            self.assertEqual(self.path(name).read_bytes(), self.files[name], name)
        kept = [entry.name for entry in self.path(".gesso").iterdir()]
        self.assertEqual(sorted(kept), ["files.json", "lock"])

    def requests_of(self, path):
        return [request for request in self.hub.requests if request[0] == path]


class Pulling(ModelsTest):
    def test_both_hubs_give_the_same_files(self):
        for source in ("huggingface", "modelscope"):
            with self.subTest(source=source):
                done = self.pull(source=source, **{"DIFFSYNTH_MODEL_BASE_PATH": str(self.folder / source)})
                self.assertEqual(len(done.stdout.split()), len(self.files))
                for name, data in self.files.items():
                    self.assertEqual((self.folder / source / MODEL / name).read_bytes(), data)

    def test_what_is_there_is_kept_and_what_changed_is_fetched(self):
        self.pull()
        before = len(self.hub.requests)
        self.assertEqual(self.pull().stdout, "")
        self.assertEqual(len(self.hub.requests), before + 1)  # the listing
        self.files["transformer/config.json"] = b'{"dim": 1}\n'
        self.hub.add(MODEL, "transformer/config.json", self.files["transformer/config.json"])
        self.assertIn("config.json", self.pull().stdout)
        self.assert_whole()

    def test_files_of_another_program_are_checked_and_kept(self):
        name = "transformer/model-1.safetensors"
        self.path(name).parent.mkdir(parents=True)
        self.path(name).write_bytes(self.files[name])
        self.assertIn("is there; checking it", self.pull().stderr)
        self.assertEqual(self.requests_of(name), [])
        self.assert_whole()

    def test_a_pattern_chooses_files(self):
        self.pull(name=MODEL + ":transformer/*.safetensors")
        self.assert_whole("transformer/model-1.safetensors", "transformer/model-2.safetensors")
        self.assertFalse(self.path("tokenizer").exists())
        self.pull(name=MODEL + ":tokenizer/")
        self.assert_whole("tokenizer/vocab.txt")
        error = self.pull(name=MODEL + ":nothing/*", code=1).stderr
        self.assertIn("it has", error)
        self.assertIn("tokenizer/vocab.txt", error)

    def test_long_listings_come_in_pages(self):
        self.hub.page = 2
        self.pull()
        self.assert_whole()

    def test_an_unknown_model_is_told(self):
        self.assertIn("HTTP 404", self.pull(name="org/nothing", code=1).stderr)
        self.assertIn("did you mean", self.run_models("pull", "z-image-turbos", code=2).stderr)
        for name in ("../x", "a/../b", "org/.hidden"):
            self.assertIn("org/name", self.run_models("pull", name, code=2).stderr)

    def test_a_listing_that_leads_out_of_the_folder_is_refused(self):
        self.hub.add(MODEL, "../../evil.txt", b"x")
        self.assertIn("would lie outside", self.pull(code=1).stderr)


class Misbehaviour(ModelsTest):
    name = "transformer/model-1.safetensors"

    def test_passing_trouble_is_waited_for(self):
        for fault in (500, 503, 429, "cut", "stall"):
            with self.subTest(fault=fault):
                self.hub.faults[self.name] = [fault, fault]
                self.pull(**{"DIFFSYNTH_MODEL_BASE_PATH": str(self.folder / str(fault))})
                self.assertEqual((self.folder / str(fault) / MODEL / self.name).read_bytes(), self.files[self.name])
                self.assertEqual(self.hub.faults[self.name], [])

    def test_a_rate_limit_is_obeyed(self):
        self.hub.faults[self.name] = [429]
        begin = time.monotonic()
        self.pull(name=f"{MODEL}:{self.name}")
        self.assertGreaterEqual(time.monotonic() - begin, 1.0)

    def test_a_busy_listing_is_asked_again(self):
        self.hub.list_faults = [503, 429]
        self.pull()
        self.assert_whole()

    def test_a_cut_connection_goes_on_where_it_was(self):
        self.hub.faults[self.name] = ["cut"]
        self.pull(name=f"{MODEL}:{self.name}")
        ranges = [request[1] for request in self.requests_of(self.name)]
        self.assertEqual(ranges[0], f"bytes=0-{3 * MIB - 1}")
        self.assertGreater(int(ranges[1].split("=")[1].split("-")[0]), MIB)

    def test_a_server_without_ranges_is_taken_as_it_is(self):
        self.hub.always[self.name] = "no_range"
        self.pull()
        self.assert_whole()

    def test_wrong_lengths_are_refused(self):
        for fault, text in (("wrong_length", "the server has 3145738"), ("login_page", "a web page")):
            with self.subTest(fault=fault):
                self.hub.always[self.name] = fault
                self.assertIn(text, self.pull(code=1).stderr)
                self.assertFalse(self.path(self.name).exists())

    def test_spoilt_bytes_are_fetched_again(self):
        self.hub.faults[self.name] = ["spoil"]
        self.assertIn("once more", self.pull().stderr)
        self.assert_whole()

    def test_a_lie_about_a_checksum_is_told(self):
        self.hub.always[self.name] = "lie"
        for source in ("huggingface", "modelscope"):
            error = self.pull(code=1, source=source).stderr
            self.assertIn("expected sha256 " + "ab" * 32, error)
            self.assertIn("found " + hashlib.sha256(self.files[self.name]).hexdigest(), error)
            self.assertFalse(self.path(self.name).exists())

    def test_a_model_that_is_half_there_is_no_model(self):
        self.hub.always["transformer/model-2.safetensors"] = 404
        self.pull(code=1)
        self.assertTrue(self.path(self.name).exists())
        self.assertIn("has not ended", self.run_models("path", MODEL + ":transformer/*.safetensors", code=2).stderr)
        self.assertIn("incomplete", self.run_models("list").stdout)
        self.hub.always.clear()
        self.pull()
        self.run_models("path", MODEL + ":transformer/*.safetensors")
        self.assert_whole()

    def test_no_hub_at_all(self):
        self.hub.__exit__()
        self.assertIn("is the network up?", self.pull(code=1).stderr)


class Secrets(ModelsTest):
    def test_a_token_goes_to_the_hub_only_and_never_into_messages(self):
        self.hub.token = "hf_secret"
        self.hub.always["tokenizer/vocab.txt"] = "redirect"
        text = self.pull(code=1).stderr
        self.assertIn("set HF_TOKEN", text)
        done = self.pull("--verbose", HF_TOKEN="hf_secret")
        wrong = self.pull(code=1, HF_TOKEN="hf_other")
        self.assertIn("licence", wrong.stderr)
        for text in (done.stdout, done.stderr, wrong.stderr):
            self.assertNotIn("hf_secret", text)
            self.assertNotIn("hf_other", text)
        there = [request for request in self.requests_of("tokenizer/vocab.txt") if "localhost" in request[4]]
        self.assertEqual([request[2] for request in there], [None])
        self.assert_whole()

    def test_a_token_is_found_where_the_hubs_programs_keep_it(self):
        self.hub.token = "hf_file"
        (self.folder / "hf").mkdir()
        (self.folder / "hf/token").write_text("hf_file\n")
        self.pull()
        self.hub.token = "ms_secret"
        self.hub.always["empty.txt"] = "redirect"
        self.pull(source="modelscope", MODELSCOPE_API_TOKEN="ms_secret", DIFFSYNTH_MODEL_BASE_PATH=str(self.folder / "b"))
        cookies = {request[3] for request in self.hub.requests if request[2] == "Bearer ms_secret"}
        self.assertEqual(cookies, {"m_session_id=ms_secret"})
        self.assertEqual({r[3] for r in self.hub.requests if "localhost" in r[4]} - {None}, set())

    def test_a_proxy_is_used(self):
        done = self.pull(code=1, http_proxy="http://127.0.0.1:1", no_proxy="", NO_PROXY="")
        self.assertIn("127.0.0.1", done.stderr)
        self.assertEqual(self.hub.requests, [])
        self.pull(http_proxy=self.hub.url, no_proxy="", NO_PROXY="")  # the hub takes whole addresses, too

    def test_offline_means_offline(self):
        for name in ("GESSO_OFFLINE", "HF_HUB_OFFLINE"):
            self.assertIn("OFFLINE is set", self.pull(code=1, **{name: "1"}).stderr)
        self.assertEqual(self.hub.requests, [])


class Keeping(ModelsTest):
    def test_verify_finds_what_changed(self):
        self.pull()
        self.assertIn("good", self.run_models("verify", MODEL, "--offline").stdout)
        data = bytearray(self.files["tokenizer/vocab.txt"])
        data[0] ^= 1
        self.path("tokenizer/vocab.txt").write_bytes(data)
        text = self.run_models("verify", MODEL, "--offline", code=1).stdout
        self.assertRegex(text, r"bad +org/model/tokenizer/vocab.txt: expected git blob \w+, found \w+")
        (self.path("empty.txt")).write_bytes(b"x")
        self.assertIn("has 1 bytes, expected 0", self.run_models("verify", MODEL, "--offline", code=1).stdout)
        self.pull()
        self.run_models("verify", MODEL)

    def test_caches_of_the_hubs_programs_are_used_in_place(self):
        name = "transformer/config.json"
        data = self.files[name]
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        cache = self.folder / "hf/hub/models--org--model"
        (cache / "blobs").mkdir(parents=True)
        (cache / "blobs" / git).write_bytes(data)
        snapshot = cache / "snapshots/1234/transformer"
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").symlink_to(f"../../../blobs/{git}")
        scope = self.folder / ".cache/modelscope/hub/models/org/other-2___1"
        scope.mkdir(parents=True)
        (scope / "a.txt").write_text("x")
        listed = {model["model_id"]: model["kind"] for model in json.loads(self.run_models("list", "--json").stdout)}
        self.assertEqual(listed, {MODEL: "huggingface", "org/other-2.1": "modelscope"})
        self.assertEqual(self.run_models("path", f"{MODEL}:{name}").stdout.strip(), str(snapshot / "config.json"))
        self.assertIn("a.txt", self.run_models("path", "org/other-2.1:a.txt").stdout)
        self.assertIn("good", self.run_models("verify", f"{MODEL}:{name}", "--offline").stdout)
        self.assertIn("own program", self.run_models("rm", MODEL, code=1).stderr)

    def test_import_links_and_rm_removes_the_link_only(self):
        old = self.folder / "old"
        (old / "org/model/vae").mkdir(parents=True)
        (old / "org/model/vae/a.txt").write_text("x")
        self.run_models("import", old)
        self.assertIn("linked", self.run_models("list").stdout)
        self.assertIn("a.txt", self.run_models("path", MODEL + ":vae/a.txt").stdout)
        self.assertIn("was imported", self.pull(code=1).stderr)
        self.run_models("rm", MODEL)
        self.assertTrue((old / "org/model/vae/a.txt").exists())
        self.run_models("import", old / "org/model", "--as", "my/model")
        self.assertIn("a.txt", self.run_models("path", "my/model:vae/a.txt").stdout)
        (self.folder / "empty").mkdir()
        self.assertIn("no model is in it", self.run_models("import", self.folder / "empty", code=1).stderr)

    def test_rm_frees_the_disk(self):
        self.pull()
        self.assertIn("4.00 MiB freed", self.run_models("rm", MODEL).stdout)
        self.assertFalse((self.folder / "models/org").exists())
        self.assertIn("not on this machine", self.run_models("rm", MODEL, code=1).stderr)


class Interrupted(ModelsTest):
    """A large file at a limited rate, so that there is time to interrupt."""

    def setUp(self):
        super().setUp()
        self.large = "transformer/large.safetensors"
        self.files = {self.large: noise(96 * MIB, 3)}
        self.hub.models[MODEL] = {}
        self.hub.add(MODEL, self.large, self.files[self.large])
        self.hub.rate = 12e6

    def start(self):
        environment = {**os.environ, **self.hub.environment(HOME=str(self.folder))}
        return subprocess.Popen([PROGRAM, "models", "pull", MODEL, "--source", "huggingface", "--quiet"],
                                cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def kill_after(self, seconds):
        process = self.start()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def test_a_killed_download_goes_on_where_it_stopped(self):
        self.kill_after(1.2)
        self.assertFalse(self.path(self.large).exists())
        self.hub.rate = None
        self.pull()
        self.assert_whole()
        again = self.hub.sent - len(self.files[self.large])
        self.assertLess(again, 16 * MIB)

    def test_two_processes_fetch_it_once(self):
        processes = [self.start(), self.start()]
        for process in processes:
            self.assertEqual(process.wait(), 0)
            process.stderr.close()
        self.assert_whole()
        self.assertLess(self.hub.sent, len(self.files[self.large]) + MIB)

    def test_ctrl_c_ends_cleanly_and_loses_nothing(self):
        process = self.start()
        time.sleep(1.2)
        process.send_signal(signal.SIGINT)
        self.assertIn(b"cancelled", process.communicate()[1])
        self.assertEqual(process.returncode, 1)
        self.pull()
        self.assert_whole()


@unittest.skipUnless(os.environ.get("GESSO_SLOW_TESTS"), "slow")
class Kills(Interrupted):
    def test_two_hundred_kills_lose_nothing(self):
        self.hub.rate = 8e6
        times = random.Random(7)
        for _ in range(200):
            self.kill_after(times.uniform(0.01, 0.25))
            if self.path(self.large).exists():
                self.assert_whole()
                self.gesso("models", "rm", MODEL)
        self.hub.rate = None
        self.pull()
        self.assert_whole()


if __name__ == "__main__":
    unittest.main()
