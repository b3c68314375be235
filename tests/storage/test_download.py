from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
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
        self.lie: Callable[[Handler, int], None] | None = None

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
        if self.server.lie:
            asked = wanted.removeprefix("bytes=").removesuffix("-") if wanted else "0"
            return self.server.lie(self, int(asked))
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


def answer(handler: Handler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def rest(first: int, *, etag: str = '"1"', moved: int = 0) -> Callable[[Handler, int], None]:
    """A partial answer that begins elsewhere, or whose bytes are of elsewhere."""

    def lie(handler: Handler, start: int) -> None:
        if not start:
            return answer(handler, 200, CONTENT, Content_Length=str(len(CONTENT)), ETag=etag)
        begin = first if first >= 0 else start
        said = f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}"
        body = CONTENT[begin - moved :][: len(CONTENT) - begin]
        length = str(len(body))
        return answer(handler, 206, body, Content_Length=length, Content_Range=said, ETag=etag)

    return lie


@pytest.mark.parametrize(
    "lie",
    [
        rest(0),
        rest(7),
        rest(-1, etag='"2"'),
        lambda handler, start: answer(
            handler,
            206 if start else 200,
            CONTENT[start:],
            Content_Length=str(len(CONTENT) - start),
            **({"Content_Range": "bytes */5"} if start else {}),
        ),
    ],
    ids=["from the beginning", "from elsewhere", "of another version", "of no range"],
)
def test_a_part_goes_on_only_with_the_rest_of_the_same_version(
    server: Server, target: Path, lie: Callable[[Handler, int], None]
) -> None:
    server.stop_after = 100_000
    with pytest.raises(CheckpointError, match="it stopped at 100000 bytes"):
        download.fetch(server.url, target)
    server.lie = lie
    download.fetch(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", None]


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (lambda h, s: answer(h, 200, CONTENT[:1000]), "does not say how long the file is"),
        (lambda h, s: answer(h, 200, b"", Content_Length="0"), "gave an empty file"),
        (
            lambda h, s: answer(h, 200, b"log in", Content_Type="text/html; charset=utf-8",
                                Content_Length="6"),
            "gave a web page",
        ),
        (
            lambda h, s: answer(h, 200, b"\xef\xbb\xbf \n<!DOCTYPE html>x", Content_Length="20"),
            "gave a web page",
        ),
        (
            lambda h, s: answer(h, 200, CONTENT, Content_Encoding="gzip", Content_Length="300000"),
            "packed as 'gzip'",
        ),
        (
            lambda h, s: answer(h, 206, CONTENT[5:], Content_Length="299995",
                                Content_Range="bytes 5-299999/300000"),
            "gave another part than the whole",
        ),
        (lambda h, s: answer(h, 200, CONTENT, Content_Length="300100"), "stopped at 300000 bytes"),
    ],
)  # fmt: skip
def test_what_is_not_the_whole_file_is_never_taken_for_it(
    server: Server, target: Path, lie: Callable[[Handler, int], None], said: str
) -> None:
    server.lie = lie
    for _ in range(2):
        with pytest.raises(CheckpointError, match=said):
            download.fetch(server.url, target)
        assert not target.exists()
        assert not target.with_name("model.pkl.sha256").exists()
    server.lie = None
    download.fetch(server.url, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("tag", [b'"1"\r\nX: y', b"\xff\xfe", b"", b"W/1" * 100])
def test_a_damaged_tag_begins_again(server: Server, target: Path, tag: bytes) -> None:
    target.parent.mkdir()
    target.with_name("model.pkl.part").write_bytes(b"something else")
    target.with_name("model.pkl.part.etag").write_bytes(tag)
    download.fetch(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None]


def test_a_part_that_is_longer_than_the_file_begins_again(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("model.pkl.part").write_bytes(CONTENT + b"x")
    target.with_name("model.pkl.part.etag").write_text('"1"')
    download.fetch(server.url, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("pin", [b"", b"\xff", b"0" * 63, b"no pin", b"<html>"])
def test_a_damaged_pin_is_told_and_can_be_cleared(server: Server, target: Path, pin: bytes) -> None:
    path = target.with_name("model.pkl.sha256")
    path.parent.mkdir()
    path.write_bytes(pin)
    with pytest.raises(CheckpointError, match=f"{path.name} holds no SHA-256.* delete it"):
        download.fetch(server.url, target)
    assert server.asked == []
    path.unlink()
    download.fetch(server.url, target)
    assert path.read_text().split() == [hashlib.sha256(CONTENT).hexdigest(), "model.pkl"]


@pytest.mark.parametrize("name", ["all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY"])
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks4://127.0.0.1:9", "socks5h://x"])
def test_a_proxy_that_is_not_spoken_is_told(
    target: Path, monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv(name, proxy)
    with pytest.raises(CheckpointError, match=r"a proxy of kind 'socks.* expected an HTTP"):
        download.fetch("http://weights.example/model.pkl", target)
