"""A server on this machine in the layout of the Hugging Face Hub, and of NVIDIA's file servers."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Folders of a machine: `models/OWNER/NAME/…` as the hub has it, `files/…` as they are."""

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.root = root
        self.stop_after: dict[str, int] = {}
        """Bytes after which a file's transfer breaks off, by its name; once."""
        self.asked: list[tuple[str, str, str | None]] = []
        """Method, path and range of each request."""
        self.token = "hf_test"
        """What may write."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def repository(self, hub_id: str) -> Path:
        return self.root / "models" / hub_id


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path, self.headers["Range"]))
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"] and len(parts) >= 6:
            return self.describe("/".join(parts[2:4]), parts[4])
        if parts[0] == "files":
            return self.send_path(self.server.root.joinpath(*parts), body=body)
        if len(parts) >= 5 and parts[2] == "resolve":
            folder = self.server.repository("/".join(parts[:2]))
            if not folder.is_dir():
                return self.send_status(404, {"X-Error-Code": "RepoNotFound"})
            return self.send_path(folder.joinpath(*parts[4:]), body=body)
        return self.send_status(404)

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path, None))
        content = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if path == "/api/validate-yaml":
            return self.send_json({"errors": [], "warnings": []})
        if self.headers["Authorization"] != f"Bearer {self.server.token}":
            return self.send_status(401)
        if path == "/api/repos/create":
            wanted = json.loads(content)
            name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
            self.server.repository(name).mkdir(parents=True, exist_ok=True)
            return self.send_json({"url": f"{self.server.url}/{name}"})
        parts = path.strip("/").split("/")
        hub_id = "/".join(parts[2:4])
        if parts[4] == "preupload":
            files = json.loads(content)["files"]
            told = {"uploadMode": "regular", "shouldIgnore": False}
            return self.send_json({"files": [{"path": file["path"], **told} for file in files]})
        for line in content.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                target = self.server.repository(hub_id) / entry["value"]["path"]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(base64.b64decode(entry["value"]["content"]))
        address = f"{self.server.url}/{hub_id}/commit/{COMMIT}"
        return self.send_json({"commitOid": COMMIT, "commitUrl": address})

    def describe(self, hub_id: str, what: str) -> None:
        folder = self.server.repository(hub_id)
        if not folder.is_dir():
            return self.send_status(404, {"X-Error-Code": "RepoNotFound"})
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        names = {path.relative_to(folder).as_posix(): path for path in files}
        content: object
        if what == "tree":
            content = [
                {
                    "type": "file",
                    "path": name,
                    "size": path.stat().st_size,
                    "oid": digest(path)[:40],
                }
                for name, path in names.items()
            ]
        else:
            content = {
                "_id": "1",
                "id": hub_id,
                "modelId": hub_id,
                "sha": COMMIT,
                "private": False,
                "tags": [],
                "downloads": 0,
                "siblings": [{"rfilename": name} for name in names],
            }
        return self.send_json(content)

    def send_json(self, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def send_path(self, path: Path, *, body: bool) -> None:
        if not path.is_file():
            return self.send_status(404, {"X-Error-Code": "EntryNotFound"})
        size, start = path.stat().st_size, 0
        wanted = self.headers["Range"]
        tag = f'"{digest(path)}"'
        if wanted and self.headers["If-Range"] in (None, tag):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            if start >= size:
                return self.send_status(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", tag)
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            with path.open("rb") as file:
                file.seek(start)
                end = self.server.stop_after.pop(path.name, None)
                if end is None:
                    shutil.copyfileobj(file, self.wfile)
                else:
                    self.wfile.write(file.read(end))
                    self.close_connection = True
        return None

    def send_status(self, code: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


_DIGESTS: dict[tuple[Path, int], str] = {}


def digest(path: Path) -> str:
    key = (path, path.stat().st_mtime_ns)
    if key not in _DIGESTS:
        with path.open("rb") as file:
            _DIGESTS[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _DIGESTS[key]


@contextmanager
def serve(root: Path, port: int = 0) -> Iterator[Hub]:
    """Serve a folder until the end of the block."""
    hub = Hub(root, port)
    thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


def point_at(hub: Hub, cache: Path, set_attribute: Callable[[str, object], None]) -> None:
    """Let this process take a server for the hub, with an empty cache of its own."""
    constants = "huggingface_hub.constants"
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    set_attribute(f"{constants}.ENDPOINT", hub.url)
    set_attribute(f"{constants}.HUGGINGFACE_CO_URL_TEMPLATE", template)
    set_attribute(f"{constants}.HF_HUB_CACHE", str(cache))
    set_attribute(f"{constants}.HF_HUB_OFFLINE", False)
    set_attribute(f"{constants}.HF_HUB_DISABLE_XET", True)
