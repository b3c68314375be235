"""Limits come before cost, keys before bodies, and nothing heavy is done in the event loop."""

from __future__ import annotations

import base64
import json
import socket
import statistics
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from tests.serving.conftest import Running
from tests.serving.test_api import client, editing, png, slow
from text2face import pictures
from text2face.serving import connections, engine, guards

Serve = Callable[..., Running]
GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"


def address(server: Running) -> tuple[str, int]:
    return "127.0.0.1", int(server.url.rpartition(":")[2])


def head(path: str, length: int, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def watched(server: Running) -> Iterator[list[float]]:
    """The seconds that `/healthz` takes meanwhile."""
    seconds: list[float] = []
    done = threading.Event()

    def watch() -> None:
        with httpx.Client(timeout=60) as http:
            while not done.is_set():
                start = time.perf_counter()
                http.get(f"{server.url}/healthz")
                seconds.append(time.perf_counter() - start)
                time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    yield seconds
    done.set()
    thread.join()


def test_a_body_without_a_key_is_refused_before_it_is_read(serve: Serve) -> None:
    server = serve(keys=["k"])
    for path in (GENERATIONS, EDITS):
        with socket.create_connection(address(server)) as sender:
            sender.sendall(head(path, 8 * 2**20 - 10, "Content-Type: application/json"))
            sender.settimeout(20)
            assert sender.recv(100).startswith(b"HTTP/1.1 401")


def test_uploads_have_a_limit_together_and_words_go_on(serve: Serve) -> None:
    server = serve(editing(), max_body=2**20)
    with ExitStack() as stack:
        for _ in range(8):
            sender = stack.enter_context(socket.create_connection(address(server)))
            sender.sendall(head(EDITS, 2**20, "Content-Type: multipart/form-data; boundary=x"))
            sender.sendall(bytes(2**20 - 1))
        files = {"image": ("a.png", png(Image.effect_noise((400, 400), 90)))}
        deadline = time.monotonic() + 20
        while True:  # until all has arrived
            answer = httpx.post(server.url + EDITS, files=files, data={"prompt": "a man"})
            if answer.status_code == 429 or time.monotonic() > deadline:
                break
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["error"]["code"] == "too_many_uploads"
        drawn = httpx.post(server.url + GENERATIONS, json={"prompt": "a man"})
        assert drawn.status_code == 200
    while answer.status_code == 429 and time.monotonic() < deadline:  # they are gone
        answer = httpx.post(server.url + EDITS, files=files, data={"prompt": "a man"})
    assert answer.status_code == 200


def test_a_body_of_words_is_small(serve: Serve) -> None:
    server = serve()
    sized = {"prompt": "a man", "user": "x" * guards._NO_FILES}
    assert httpx.post(server.url + GENERATIONS, json=sized).status_code == 413
    for length in ("99999999999999999999999", "-1", "1e9", "+5"):
        with socket.create_connection(address(server)) as sender:
            sender.sendall(
                head(GENERATIONS, 0).replace(b"Length: 0", b"Length: %b" % length.encode())
            )
            assert sender.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


def test_a_header_that_never_ends_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.4)
    server = serve()
    for begun in (b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "):
        with socket.create_connection(address(server)) as sender:
            sender.sendall(begun)
            sender.settimeout(0.1)
            start = time.monotonic()
            ended = False
            while not ended and time.monotonic() - start < 10:
                try:
                    sender.sendall(b"a" if begun else b"")  # a drop now and then
                    ended = sender.recv(10) == b""
                except TimeoutError:
                    continue
                except OSError:
                    ended = True
            assert ended
    with httpx.Client() as http:  # one that asks again and again stays
        for _ in range(4):
            assert http.get(f"{server.url}/healthz").status_code == 200
            time.sleep(0.3)


def test_the_oldest_idle_connection_makes_room(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 10)
    server = serve()
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(address(server))) for _ in range(30)]
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        idle[0].settimeout(10)
        try:
            left = idle[0].recv(10)
        except ConnectionResetError:
            left = b""
        assert left == b""


def test_an_answer_comes_at_once(serve: Serve) -> None:
    server = serve()
    seconds = []
    with httpx.Client() as http:
        for _ in range(40):
            start = time.perf_counter()
            http.get(f"{server.url}/healthz")
            seconds.append(time.perf_counter() - start)
    assert statistics.median(seconds) < 0.03  # 40 ms where TCP waits for more to send


def many(count: int, function: Callable[[int], httpx.Response]) -> list[int]:
    with ThreadPoolExecutor(count) as pool:
        return [answer.status_code for answer in pool.map(function, range(count))]


def test_pixels_wait_in_the_queue_as_files(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(editing(), workers=4, queue=4)
    at_once, most, lock = 0, 0, threading.Lock()
    original = pictures.decode_image

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.3)  # all have come long before the queue is empty
        try:
            return original(*arguments, **named)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(engine, "decode_image", counted)
    monkeypatch.setattr(engine, "LARGE", 1000)
    files = {"image": ("a.png", bare_png(1024, 1024))}

    def edit(_: int) -> httpx.Response:
        form = {"prompt": "a man"}
        return httpx.post(server.url + EDITS, files=files, data=form, timeout=60)

    with watched(server) as seconds:
        statuses = many(16, edit)
    assert set(statuses) == {200, 429}
    assert most == 1
    assert max(seconds) < 2


def bare_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    rows = zlib.compress((b"\0" + bytes(width * 3)) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_dear_words_hold_nobody_up(serve: Serve, bundled: Any) -> None:
    server = serve(bundled)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for prompt in (
        "man " + "x" * 1990,
        "man " + " ".join((letters[i % 20 :] + "z" * 25)[:25] for i in range(75)),
        " ".join(f"(man:1.{i % 9 + 1})" for i in range(77)),
        "man AND " * 38 + "man",
    ):
        body = {"prompt": prompt, "seed": 1}
        with watched(server) as seconds:
            statuses = many(
                10, lambda _, body=body: httpx.post(server.url + GENERATIONS, json=body, timeout=90)
            )
        assert set(statuses) <= {200, 400}
        assert statistics.median(seconds) < 0.2
        assert max(seconds) < 2


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt":"a",' + b",".join(b'"%d":0' % i for i in range(9000)) + b"}",
        b"[" * 60_000,
        b'{"prompt":' * 9000,
        b'{"n":' + b"9" * 100_000 + b"}",
        b'{"prompt":"a man","truncation":NaN}',
        b'{"prompt":"\\ud800"}',
        b'{"prompt":"a man","strength":1}',
        b'\xef\xbb\xbf{"prompt":"a man","seed":1.0}',
    ],
)
def test_odd_json_is_refused_fast(served: Running, body: bytes) -> None:
    start = time.perf_counter()
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(served.url + GENERATIONS, content=body, headers=headers)
    assert answer.status_code == 400
    assert len(answer.content) < 1000
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"prompt": "a man", "seed": 1, "seed": 2}', "seed"),
        (b'{"prompt": "a man", "prompt": "a man"}', "prompt"),
        (b'{"prompt": "a man", "n": 1, "\\u006e": 4}', "n"),
        (b'{"prompt": "a man", "user": {"a\\u001b": 1, "a\\u001b": 2}}', r"a\x1b"),
    ],
)
def test_a_field_of_json_comes_once(served: Running, body: bytes, param: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(served.url + GENERATIONS, content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["message"] == f"{param}: given twice, expected once"


@pytest.mark.parametrize(
    ("data", "param"),
    [
        ({"strenght": "0"}, "strenght"),
        ({"stream": "true"}, "stream"),
        ({"background": "transparent"}, "background"),
        ({"seed": "7"}, "seed"),
        ({"strength": "nan"}, "strength"),
        ({"strength": "9"}, "strength"),
        ({"n": "2"}, "n"),
        ({"partial_images": "2"}, "partial_images"),
        ({"a\x1b[8mb": "1"}, r"a\x1b[8mb"),
        ({f"k{i}": "1" for i in range(100)}, None),
        ({"prompt": ["a man", "a woman"]}, "prompt"),
        ({"user": "x" * 2**16}, None),
    ],
)
def test_forms_know_their_fields(serve: Serve, data: Any, param: str | None) -> None:
    server = serve(editing())
    files = {"image": ("a.png", png(Image.new("RGB", (8, 8))))}
    form = {"prompt": "a man", **data}
    answer = httpx.post(server.url + EDITS, files=files, data=form)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_forms_say_what_they_expect(serve: Serve) -> None:
    server = serve(editing())
    url = server.url + EDITS
    image = ("a.png", png(Image.new("RGB", (8, 8))))

    def said(**request: Any) -> str:
        answer = httpx.post(url, **request)
        assert answer.status_code == 400
        return str(answer.json()["error"]["message"])

    assert "expected multipart/form-data" in said(json={"prompt": "a man"})
    assert "expected multipart/form-data" in said(data={"prompt": "a man"})
    text = said(files={"x": ("a.png", b"a")}, data={"prompt": "a man"})
    assert "files are taken in 'image'" in text
    form = {"prompt": (None, "a man"), "image": (None, "iVBORw0")}
    assert said(files=form) == "image: got text, expected a file"
    form["image"] = image  # type: ignore[assignment]
    assert httpx.post(url, files=form).status_code == 200
    headers = {"Content-Type": "multipart/form-data"}
    assert "boundary" in said(content=b"--x--", headers=headers)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert "prompt: field required" in said(content=b"--x--\r\n", headers=headers)


def test_openai_clients_get_what_they_ask_for(serve: Serve) -> None:
    api = client(serve(editing()))
    for model in ("gpt-image-1", "gpt-image-1-mini", "dall-e-2", "dall-e-3", "tiny", None):
        options: Any = {} if model is None else {"model": model}
        answer = api.images.generate(prompt="a man", n=1, quality="auto", user="me", **options)
        assert base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG")
        image = ("a.png", png(Image.new("RGB", (8, 8))))
        edited = api.images.edit(image=image, prompt="a man", stream=False, **options)
        assert len(edited.data) == 1
    with pytest.raises(openai.BadRequestError, match="stream"):
        list(api.images.edit(image=image, prompt="a man", stream=True))
    with pytest.raises(openai.NotFoundError):
        api.images.generate(prompt="a man", model="gpt-4o")


def test_packing_counts_within_the_timeout(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from text2face import provenance

    packed = []

    def slowly(*arguments: Any, **named: Any) -> bytes:
        time.sleep(0.2)
        packed.append(1)
        return b""

    monkeypatch.setattr(provenance, "encode_file", slowly)
    server = serve(timeout=1.0)
    body = {"prompt": "a man", "n": 40, "size": "1024x1024"}
    start = time.monotonic()
    answer = httpx.post(server.url + GENERATIONS, json=body, timeout=60)
    assert answer.status_code == 504
    assert time.monotonic() - start < 5
    time.sleep(0.5)
    assert len(packed) < 20  # and nobody goes on


def test_strangers_write_no_lines_into_the_log(serve: Serve, caplog: Any) -> None:
    pipe = slow(0)

    def fail(texts: Any, *arguments: Any) -> Any:
        raise ZeroDivisionError("a\n2026 ERROR forged\x1b[2J")

    pipe.draw_together = fail  # type: ignore[method-assign]
    server = serve(pipe)
    answer = httpx.post(server.url + GENERATIONS, json={"prompt": "a man"})
    assert answer.status_code == 500
    assert r"a\n2026 ERROR forged\x1b[2J" in caplog.text
    assert "\n2026 ERROR" not in caplog.text
    assert "\x1b" not in caplog.text
    assert set(json.loads(answer.text)) == {"error"}


def test_what_is_no_http_is_answered_in_json(served: Running) -> None:
    for sent in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"A" * 100_000):
        with socket.create_connection(address(served)) as sender:
            sender.sendall(sent)
            answer = b""
            while b"}}" not in answer and (more := sender.recv(1000)):  # head and body come apart
                answer += more
        assert answer.startswith(b"HTTP/1.1 400")
        assert b'{"error"' in answer
