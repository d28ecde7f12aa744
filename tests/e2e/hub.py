"""A hub on this machine that speaks the protocols of Hugging Face and ModelScope, and misbehaves when told to.

Used as a context manager; `environment()` sends gesso to it. Run as a program it serves a folder:
hub.py FOLDER [MiB/s] prints its port.
"""

import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

PIECE = 1 << 16


class Content:
    """A file's bytes, in memory or on disk."""

    def __init__(self, source):
        self.path = source if isinstance(source, Path) else None
        self.data = None if self.path else bytes(source)
        self.size = self.path.stat().st_size if self.path else len(self.data)
        self._sha256 = None

    def sha256(self):
        if self._sha256 is None:
            digest = hashlib.sha256(self.data or b"")
            if self.path:
                with open(self.path, "rb") as file:
                    while piece := file.read(1 << 20):
                        digest.update(piece)
            self._sha256 = digest.hexdigest()
        return self._sha256

    def git_sha1(self):
        return hashlib.sha1(b"blob %d\0" % self.size + self.data).hexdigest()


class Hub:
    def __init__(self, rate=None):
        self.models = {}          # "org/name" -> {path: Content}
        self.faults = {}          # path -> faults, one for each request to come
        self.always = {}          # path -> a fault of every request
        self.requests = []        # (path, range, authorization, cookie, host)
        self.sent = 0             # bytes of bodies
        self.token = None         # needed when set
        self.list_faults = []     # of listings
        self.page = 1000          # entries of a listing's page
        self.rate = rate          # bytes per second of one connection
        self.lock = threading.Lock()
        self.server = self._start()
        self.cdn = self._start()  # another host, as far as a client can see

    def _start(self):
        handler = type("Handler", (Handler,), {"hub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in (self.server, self.cdn):
            server.shutdown()
            server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def cdn_url(self):
        return f"http://localhost:{self.cdn.server_port}"

    def add(self, model_id, path, source):
        self.models.setdefault(model_id, {})[path] = Content(source)

    def environment(self, **more):
        none = {name: "" for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MODELSCOPE_API_TOKEN", "GESSO_OFFLINE", "DIFFSYNTH_SKIP_DOWNLOAD",
                                      "http_proxy", "all_proxy")}
        return {**none, "HF_ENDPOINT": self.url, "MODELSCOPE_ENDPOINT": self.url, **more}

    def take_fault(self, path):
        with self.lock:
            waiting = self.faults.get(path)
            return waiting.pop(0) if waiting else self.always.get(path)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0
    hub = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        try:
            self.route()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def route(self):
        url = urlsplit(self.path)
        parts = unquote(url.path).strip("/").split("/")
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if parts[:2] == ["api", "models"] and parts[4:5] == ["tree"]:
            return self.list_huggingface("/".join(parts[2:4]), query)
        if parts[:3] == ["api", "v1", "models"] and parts[5:] == ["repo", "files"]:
            return self.list_modelscope("/".join(parts[3:5]))
        if parts[:3] == ["api", "v1", "models"] and parts[5:] == ["repo"]:
            return self.send_file("/".join(parts[3:5]), query["FilePath"])
        if parts[2:3] == ["resolve"]:
            return self.send_file("/".join(parts[:2]), "/".join(parts[4:]))
        self.answer(404)

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refused(self):
        """Whether the token that is needed is missing."""
        token = self.hub.token
        if token is None or self.headers.get("Authorization") == f"Bearer {token}":
            return False
        self.answer(401, b"no")
        return True

    def note(self, path):
        with self.hub.lock:
            self.hub.requests.append((path, self.headers.get("Range"), self.headers.get("Authorization"),
                                      self.headers.get("Cookie"), self.headers["Host"]))

    def listing(self, model_id):
        self.note("list")
        if self.refused():
            return None
        if self.hub.list_faults:
            self.answer(self.hub.list_faults.pop(0), headers=[("Retry-After", "1")])
            return None
        files = self.hub.models.get(model_id)
        if files is None:
            self.answer(404)
        return files

    def list_huggingface(self, model_id, query):
        files = self.listing(model_id)
        if files is None:
            return
        entries = [{"type": "directory", "path": "transformer", "size": 0, "oid": "0" * 40}]
        for path, content in files.items():
            entry = {"type": "file", "path": path, "size": content.size, "oid": "0" * 40}
            if content.path or path.endswith(".safetensors"):
                entry["lfs"] = {"oid": self.checksum(path, content), "size": content.size, "pointerSize": 135}
            else:
                entry["oid"] = content.git_sha1()
            entries.append(entry)
        begin, page = int(query.get("cursor", 0)), self.hub.page
        headers = [("Content-Type", "application/json")]
        if begin + page < len(entries):
            headers.append(("Link", f'<{self.hub.url}/api/models/{model_id}/tree/main?recursive=true&cursor={begin + page}>; rel="next"'))
        self.answer(200, json.dumps(entries[begin:begin + page]).encode(), headers)

    def list_modelscope(self, model_id):
        files = self.listing(model_id)
        if files is None:
            return
        entries = [{"Type": "tree", "Path": "transformer", "Size": 0, "Sha256": ""}]
        entries += [{"Type": "blob", "Path": path, "Size": content.size, "Sha256": self.checksum(path, content)}
                    for path, content in files.items()]
        self.answer(200, json.dumps({"Code": 200, "Data": {"Files": entries}}).encode())

    def checksum(self, path, content):
        return "ab" * 32 if self.hub.always.get(path) == "lie" else content.sha256()

    def send_file(self, model_id, path):
        self.note(path)
        on_cdn = self.server is self.hub.cdn
        content = self.hub.models.get(model_id, {}).get(path)
        if content is None:
            return self.answer(404)
        if not on_cdn and self.refused():
            return None
        fault = self.hub.take_fault(path)
        if isinstance(fault, int):
            return self.answer(fault, b"busy", [("Retry-After", "1")] if fault == 429 else ())
        if fault == "redirect" and not on_cdn:
            return self.answer(302, b"", [("Location", self.hub.cdn_url + self.path)])
        first, last, status = 0, content.size - 1, 200
        wanted = self.headers.get("Range")
        if wanted and fault not in ("no_range", "login_page"):
            first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            last, status = min(last, content.size - 1), 206
        if fault == "login_page":
            return self.answer(200, b"<html>please log in</html>", [("Content-Type", "text/html")])
        total = content.size + (10 if fault == "wrong_length" else 0)
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
        length = last - first + 1 if status == 206 else total
        self.send_header("Content-Length", str(length))
        self.end_headers()
        return self.send_body(content, first, length, fault)

    def send_body(self, content, first, length, fault):
        if fault in ("cut", "stall"):
            self.send_bytes(content, first, length // 2)
            if fault == "stall":
                time.sleep(20)
            self.close_connection = True
            return
        if fault == "spoil":
            self.wfile.write(b"\xff" * min(length, 16))
            first, length = first + 16, max(0, length - 16)
        self.send_bytes(content, first, length)

    def send_bytes(self, content, first, length):
        if content.path and not self.hub.rate:
            with open(content.path, "rb") as file:
                end = first + length
                while first < end:
                    count = os.sendfile(self.connection.fileno(), file.fileno(), first, min(1 << 22, end - first))
                    first += count
                    self.count(count)
            return
        data = content.data if content.data is not None else content.path.read_bytes()
        for at in range(first, first + length, PIECE):
            piece = data[at:min(at + PIECE, first + length)]
            self.wfile.write(piece)
            self.count(len(piece))
            if self.hub.rate:
                time.sleep(len(piece) / self.hub.rate)

    def count(self, bytes_sent):
        with self.hub.lock:
            self.hub.sent += bytes_sent


def main():
    folder = Path(sys.argv[1])
    with Hub() as hub:
        for path in folder.rglob("*"):
            if path.is_file():
                hub.add("org/model", str(path.relative_to(folder)), path)
        print(hub.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
