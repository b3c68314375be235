"""No visitor of the page reads a file of the machine, or makes it call another."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.serving.conftest import Running, running
from text2face import TextToFace, provenance
from text2face.editing.records import pack
from text2face.serving.actions import EXAMPLES

HTTP = httpx.Client(timeout=60)  # one for all: each makes a TLS context
SECRET = "text2face-secret"
ACTIONS = ("open", "change", "slide", "similar", "around", "blend", "animate")
opened: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and SECRET in str(arguments[0]):
        opened.append(str(arguments[0]))


sys.addaudithook(_watch)


@pytest.fixture(scope="module")
def site(bundled: TextToFace) -> Iterator[Running]:
    with running(bundled, page=True) as server, HTTP:
        yield server


def picture(colour: str, side: int = 8, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, form)
    return file.getvalue()


def face(pipe: TextToFace) -> bytes:
    settings = pipe.settings()
    (drawn,) = pipe.draw(["a man"], [5], settings)
    return provenance.encode_file(drawn.image, provenance.make_record(pipe, settings, drawn))


def send(site: Running, action: str, wish: Any, **pictures: bytes) -> httpx.Response:
    """As the page does: JSON, or a form with pictures."""
    if not pictures:
        return HTTP.post(f"{site.url}/page/{action}", json=wish)
    parts = {name: ("face.png", content) for name, content in pictures.items()}
    form = {"ask": json.dumps(wish)}
    return HTTP.post(f"{site.url}/page/face/{action}", data=form, files=parts)


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_files_of_the_machine_have_no_name_here(site: Running, tmp_path: Path) -> None:
    secret = tmp_path / f"{SECRET}.png"
    secret.write_bytes(picture("red"))
    opened.clear()
    for path in (
        str(secret),
        "/etc/hostname",
        f"/page/{secret}",
        "/page/../page.py",
        "/page/%2e%2e/page.py",
        "/page/..%2fpage.py",
        f"/page/..{secret}",
        "/page/page.html",
        "/page/",
        "/static/page.js",
        f"/gradio_api/file={secret}",
    ):
        answer = HTTP.get(f"{site.url}{path if path.startswith('/') else '/' + path}")
        assert answer.status_code == 404, path
        assert set(answer.json()) == {"error"}
    for naming in (str(secret), {"path": str(secret)}, f"file://{secret}", [str(secret)]):
        for action in ACTIONS:
            form = {"ask": json.dumps({"face": naming}), "face": json.dumps(naming)}
            answer = HTTP.post(f"{site.url}/page/face/{action}", data=form, files={"x": b""})
            assert answer.status_code == 400
            assert str(tmp_path) not in answer.text
    assert opened == []


def test_its_own_files_run_nothing_of_others(site: Running) -> None:
    start = HTTP.get(site.url)
    policy = start.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", start.text)
    folder = Path(str(files("text2face.serving"))) / "static"
    names = {file.name for file in folder.iterdir()} - {"page.html"}
    assert {"page.js", "page.css"} <= names
    for path in sorted(f"/page/{name}" for name in names):
        answer = HTTP.get(f"{site.url}{path}")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].split(";")[0] in ("text/css", "text/javascript")
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", answer.text)


def test_uploads_are_pictures(site: Running) -> None:
    for content in (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html></html>",
        picture("red", form="GIF"),
        picture("red", 4097),
        b"",
    ):
        for action in ACTIONS:
            answer = send(site, action, {}, face=content, other=content)
            assert answer.status_code == 400, action
    large = send(site, "open", {}, face=b"\x89PNG\r\n\x1a\n" + bytes(2**24))
    assert large.status_code == 413
    body = HTTP.post(f"{site.url}/page/draw", json={"prompt": "a" * 2**18})
    assert body.status_code == 413


def test_odd_requests_are_refused(site: Running, bundled: TextToFace) -> None:
    deep = "[" * 30_000 + "]" * 30_000
    for wish in (
        {},
        {"prompt": 1},
        {"prompt": "a man", "count": 13},
        {"prompt": "a man", "count": 2**40},
        {"prompt": "a man", "count": True},
        {"prompt": "a man", "seed": -1},
        {"prompt": "a man", "seed": 2**32},
        {"prompt": "a man", "seed": "7"},
        {"prompt": "a man", "settings": {"glow": 1}},
        {"prompt": "a man", "settings": {"truncation": 3}},
        {"prompt": "a man", "settings": {"shortlist": 10**6}},
        {"prompt": "a man", "settings": {"truncation": [1]}},
        {"prompt": "a man", "path": "/etc/hostname"},
        {"prompt": "x" * 9000},
    ):
        answer = send(site, "draw", wish)
        assert answer.status_code == 400, wish
        assert set(answer.json()) == {"error"}
    for body in (b"", b"[]", b"{", b'{"prompt": NaN}', deep.encode()):
        answer = HTTP.post(
            f"{site.url}/page/draw", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400, body[:40]
    good = face(bundled)
    for action, wish in (
        ("change", {}),
        ("change", {"words": "old", "strength": 3}),
        ("change", {"words": "old", "strength": 1e400}),
        ("similar", {"count": 0}),
        ("slide", {"values": {}}),
        ("slide", {"values": {"age": "1"}}),
        ("slide", {"values": {str(i): 0.5 for i in range(17)}}),
        ("around", {}),
        ("around", {"seed": 1, "amount": 1}),
        ("blend", {"share": 1.5}),
        ("blend", {"share": "1"}),
        ("open", {"path": "/etc/hostname"}),
    ):
        files = {"face": good, "other": good} if action == "blend" else {"face": good}
        answer = send(site, action, wish, **files)
        assert answer.status_code == 400, (action, wish)
    assert send(site, "blend", {}, face=good).status_code == 400  # one is missing
    assert send(site, "open", {}, face=good, other=good).status_code == 400
    assert site.engine.waiting == 0


def test_a_slider_that_is_none_is_told(site: Running, bundled: TextToFace) -> None:
    for values in ({"charm": 0.5}, {"age": 1.5}, {"<b>": 0}):
        (line,) = lines(send(site, "slide", {"values": values}, face=face(bundled)))
        assert "expected" in line["error"]


def test_what_a_file_tells_is_text(site: Running, bundled: TextToFace) -> None:
    """A record that somebody has written: its latent is held against the model, the rest is cut."""
    settings = bundled.settings()
    (drawn,) = bundled.draw(["a man"], [5], settings)
    step = {"drawn": "<b>a man</b>", "seed": {"$": 1}, "more": "x" * 5000}

    def forged(**changes: Any) -> bytes:
        about: dict[str, Any] = {
            "edited": [step] * 500,
            "model": "m",
            "weights": bundled.weights,
            "latent": pack(drawn.latent),
            "pixels": None,
            **changes,
        }
        info, file = PngInfo(), io.BytesIO()
        info.add_itxt("text2face", json.dumps(about))
        drawn.image.save(file, "PNG", pnginfo=info)
        return file.getvalue()

    (line,) = lines(send(site, "open", {}, face=forged()))
    shown = line["face"]
    assert shown["words"] == "<b>a man</b>"  # the page shows it as text
    assert len(json.dumps(shown["steps"])) < 50 * 1000
    again = base64.b64decode(shown["file"])
    assert Image.open(io.BytesIO(again)).tobytes() == drawn.image.tobytes()
    for changes in (
        {"edited": "all"},
        {"edited": []},
        {"edited": [[1], "x", None]},
        {"latent": {"shape": [2**40, 2**40], "float32": ""}},
        {"latent": {"shape": [1, 4], "float32": "AAAA"}},
        {"latent": None},
        {"noise": ["loud", 1]},
        {"noise": ["random", -1]},
    ):
        answer = lines(send(site, "open", {}, face=forged(**changes)))
        assert set(answer[0]) <= {"face", "error"}, changes
        assert "Traceback" not in json.dumps(answer)


def test_the_examples_are_faces_of_the_model(site: Running, bundled: TextToFace) -> None:
    shown = HTTP.get(f"{site.url}/page/examples").json()
    assert [one["words"] for one in shown] == [words for words, _ in EXAMPLES]
    file = base64.b64decode(shown[0]["file"])
    (expected,) = bundled.draw([EXAMPLES[0][0]], [EXAMPLES[0][1]], bundled.settings())
    assert Image.open(io.BytesIO(file)).tobytes() == expected.image.tobytes()
    faces = site.engine.statistics.faces
    HTTP.get(f"{site.url}/page/examples")
    assert site.engine.statistics.faces == faces  # they are drawn once


def test_a_visitor_who_leaves_takes_his_faces_along(site: Running) -> None:
    wish = {"prompt": "a man", "count": 12, "best": True}
    with HTTP.stream("POST", f"{site.url}/page/draw", json=wish) as stream:
        next(stream.iter_lines())
    done = site.engine.statistics.faces
    assert lines(send(site, "draw", {"prompt": "a man", "seed": 1, "count": 1}))[0]["face"]
    assert site.engine.statistics.faces < done + 40
