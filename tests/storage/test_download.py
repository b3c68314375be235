from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from text2face.errors import CheckpointError, OutputError
from text2face.storage import download

CONTENT = os.urandom(300_000)


class Server(ThreadingHTTPServer):
    """A server with one file, ranges and bad days."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.etag: str | None = '"1"'
        self.stop_after: int | None = None
        self.redirect: str | None = None
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/model.pkl"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append(wanted)
        content = self.server.content
        if self.path != "/model.pkl":
            return self.send_error(404)
        if self.server.redirect:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            return self.end_headers()
        start = 0
        if wanted and self.headers["If-Range"] == self.server.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.end_headers()
        self.wfile.write(content[start : self.server.stop_after])
        return None

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "model.pkl"


def names(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


def test_a_file_is_fetched_once_and_pinned(server: Server, target: Path) -> None:
    download.fetch(server.url, target)
    assert target.read_bytes() == CONTENT
    pin = target.with_name("model.pkl.sha256").read_text()
    assert pin == f"{hashlib.sha256(CONTENT).hexdigest()}  model.pkl\n"
    assert names(target) <= {"model.pkl", "model.pkl.sha256", "model.pkl.lock"}
    download.fetch(server.url, target)
    assert server.asked == [None]


def test_a_broken_download_goes_on_where_it_stopped(server: Server, target: Path) -> None:
    server.stop_after = 100_000
    with pytest.raises(CheckpointError, match="stopped at 100000 bytes, expected 300000"):
        download.fetch(server.url, target)
    assert not target.exists()
    server.stop_after = None
    download.fetch(server.url, target)
    assert server.asked == [None, "bytes=100000-"]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("etag", ['"2"', None, 'W/"1"'])
def test_a_file_that_has_changed_is_fetched_from_its_start(
    server: Server, target: Path, etag: str | None
) -> None:
    server.stop_after, server.etag = 100_000, etag if etag != '"2"' else '"1"'
    with pytest.raises(CheckpointError):
        download.fetch(server.url, target)
    server.stop_after, server.etag, server.content = None, etag, CONTENT[::-1]
    download.fetch(server.url, target)
    assert target.read_bytes() == CONTENT[::-1]


def test_a_part_that_is_longer_than_the_file_is_dropped(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("model.pkl.part").write_bytes(CONTENT + b"x")
    target.with_name("model.pkl.part.etag").write_text('"1"')
    download.fetch(server.url, target)
    assert target.read_bytes() == CONTENT


def test_another_file_than_the_pinned_one_is_refused(server: Server, target: Path) -> None:
    download.fetch(server.url, target)
    target.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(CheckpointError, match="not the file that was first downloaded"):
        download.fetch(server.url, target)
    assert names(target) <= {"model.pkl.sha256", "model.pkl.part.etag", "model.pkl.lock"}
    server.content = CONTENT
    download.fetch(server.url, target)
    target.write_bytes(b"tampered with")
    with pytest.raises(CheckpointError, match="not the file that was first downloaded"):
        download.fetch(server.url, target)


def test_what_goes_wrong_is_one_line(server: Server, target: Path) -> None:
    with pytest.raises(CheckpointError, match="the server says 404"):
        download.fetch(server.url + "x", target)
    server.redirect = "ftp://127.0.0.1/model.pkl"
    with pytest.raises(CheckpointError, match=r"expected to stay with http|cannot download"):
        download.fetch(server.url, target)
    (target.parent / "file").touch()
    with pytest.raises(OutputError, match="a file is in the way"):
        download.fetch(server.url, target.parent / "file" / "model.pkl")


def test_no_server(target: Path) -> None:
    with Server() as gone:
        url = gone.url
    with pytest.raises(CheckpointError, match="check the network"):
        download.fetch(url, target)
