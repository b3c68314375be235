"""No visitor of the page reads a file of the machine, or makes it call another."""

from __future__ import annotations

import io
import re
import socket
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.serving.conftest import Running, running
from text2face import TextToFace

pytest.importorskip("gradio")

import uvicorn

from text2face.serving.uploads import PageFolder, page_folder

pytestmark = pytest.mark.filterwarnings("ignore:::gradio")  # its own, of pandas and files

HTTP = httpx.Client(timeout=60)  # one for all: each makes a TLS context
SECRET = "text2face-secret"
opened: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and SECRET in str(arguments[0]):
        opened.append(str(arguments[0]))


sys.addaudithook(_watch)


@pytest.fixture(scope="module")
def site(pipe: TextToFace) -> Iterator[Running]:
    with running(pipe, page=True) as server:
        yield server


def gradio_app(site: Running) -> Any:
    return site.app.routes[-1].app.app  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def bare(site: Running) -> Iterator[str]:
    """Gradio's app without the gate before it: it refuses as well."""
    server = uvicorn.Server(uvicorn.Config(gradio_app(site), port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """A picture that lies elsewhere; whoever opens it is noted."""
    path = tmp_path / f"{SECRET}.png"
    path.write_bytes(picture("red"))
    opened.clear()
    yield path
    held = [file.read_bytes() for file in page_folder().root.rglob("*") if file.is_file()]
    assert path.read_bytes() not in held


def picture(colour: str, side: int = 8, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, form)
    return file.getvalue()


def events(site: Running) -> list[dict[str, Any]]:
    return list(gradio_app(site).get_blocks().config["dependencies"])


def kinds_of_inputs(site: Running) -> dict[int, list[str]]:
    config = gradio_app(site).get_blocks().config
    kinds = {part["id"]: part["type"] for part in config["components"]}
    return {event["id"]: [kinds[i] for i in event["inputs"]] for event in config["dependencies"]}


def fire(url: str, event: dict[str, Any], data: list[Any]) -> str:
    """Do as the page does when something is clicked, and give all that it hears."""
    visit = uuid.uuid4().hex[:10]
    body = {
        "data": data,
        "fn_index": event["id"],
        "session_hash": visit,
        "event_data": {"index": 0},
    }
    if event["queue"] is False:
        return HTTP.post(f"{url}/gradio_api/run/predict", json=body, timeout=60).text
    joined = HTTP.post(f"{url}/gradio_api/queue/join", json=body)
    heard = [joined.text]
    if joined.status_code == 200:
        with HTTP.stream("GET", f"{url}/gradio_api/queue/data?session_hash={visit}") as stream:
            for line in stream.iter_lines():
                heard.append(line)
                if "process_completed" in line:
                    break
    return "\n".join(heard)


def namings(path: str) -> list[Any]:
    meta = {"_type": "gradio.FileData"}
    relative = f"{page_folder().uploads}/../../../../../../../..{path}"
    return [
        {"path": path, "meta": meta},
        {"path": path, "url": f"http://127.0.0.1/gradio_api/file={path}", "meta": meta},
        {"path": relative, "meta": meta, "orig_name": "a.svg"},
        [{"path": path, "meta": meta}],
        [{"image": {"path": path, "meta": meta}, "caption": None}],
        {"path": path},
        {"video": {"path": path, "meta": meta}},
        {"path": f"file://{path}", "meta": meta, "is_stream": True},
        path,
    ]


def test_no_event_opens_a_file_from_elsewhere(site: Running, secret: Path) -> None:
    kinds = kinds_of_inputs(site)
    assert {"file", "image"} <= {kind for event in kinds.values() for kind in event}
    for event in events(site):
        count = len(event["inputs"])
        for naming in namings(str(secret)):
            for place in range(count):
                data = [None] * count
                data[place] = naming
                heard = fire(site.url, event, data)
                if not isinstance(naming, str):  # that is a prompt
                    assert "no such file of this page" in heard
                    assert str(secret.parent) not in heard
    assert opened == []


def test_gradio_gives_none_either(site: Running, bare: str, secret: Path) -> None:
    for event in events(site):
        kinds = kinds_of_inputs(site)[event["id"]]
        for naming in namings(str(secret)):
            for place, kind in enumerate(kinds):
                if kind in ("file", "image"):
                    data = [None] * len(kinds)
                    data[place] = naming
                    heard = fire(bare, event, data)
                    assert str(page_folder().root) not in heard
                    assert str(secret.parent) not in heard


def test_addresses_are_never_followed(site: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.png"
        for event in events(site):
            for place in range(len(event["inputs"])):
                data: list[Any] = [None] * len(event["inputs"])
                for value in (
                    {"path": address, "meta": {"_type": "gradio.FileData"}},
                    {"path": None, "url": address, "meta": {"_type": "gradio.FileData"}},
                    {"path": "a.png", "url": address},
                    {"url": "data:image/png;base64,AAAA", "path": None},
                ):
                    data[place] = value
                    assert "no such file of this page" in fire(site.url, event, data)
        for path in (f"file={address}", f"proxy={address}", f"file/{address}"):
            assert HTTP.get(f"{site.url}/gradio_api/{path}").status_code in (403, 404)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_file_route_gives_what_is_of_the_page(site: Running, secret: Path) -> None:
    folder = page_folder()
    (folder.uploads / "link.png").symlink_to(secret)
    root = str(folder.root)
    for path in (
        str(secret),
        "/etc/hostname",
        "/proc/self/environ",
        "/proc/self/root/etc/hostname",
        f"{root}/uploads/link.png",
        f"{root}/../{SECRET}",
        f"{root}/uploads/../../../../../../../..{secret}",
        f"{root}/%2e%2e/x",
        f"{root}{root}{secret}",
        root,
        f"file://{secret}",
        "pyproject.toml",
        "a\0b",
        "\\\\host\\share\\a.png",
        "~/.ssh/id_rsa",
    ):
        for route in ("file=", "file/"):
            quoted = httpx.URL(f"{site.url}/gradio_api/").join("/gradio_api/" + route)
            url = str(quoted) + "".join(f"%{byte:02x}" for byte in path.encode())
            answer = HTTP.get(url)
            assert answer.status_code in (403, 404), path
            assert set(answer.json()) == {"error"}
            assert str(secret.parent) not in answer.text
    (folder.uploads / "link.png").unlink()
    kept = folder.save(b"RIFF", "face.webp")
    assert HTTP.get(f"{site.url}/gradio_api/file={kept}").content == b"RIFF"
    assert opened == []


def test_routes_that_the_page_does_not_need_are_closed(site: Running) -> None:
    needed = {
        ("GET", "/"),
        ("GET", "/config"),
        ("GET", "/theme.css"),
        ("GET", "/favicon.ico"),
        ("GET", "/manifest.json"),
        ("GET", "/assets/{path:path}"),
        ("GET", "/static/{path:path}"),
        ("GET", "/svelte/{path:path}"),
        ("GET", "/gradio_api/heartbeat/{session_hash}"),
        ("GET", "/gradio_api/queue/data"),
        ("GET", "/gradio_api/startup-events"),
        ("GET", "/gradio_api/upload_progress"),
        ("GET", "/gradio_api/file={path_or_url:path}"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/run/{api_name}"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/cancel"),
        ("POST", "/gradio_api/reset"),
    }
    found = set()
    for route in _flat(gradio_app(site).routes):
        for method in (set(route.methods or ()) | {"GET"}) - {"HEAD", "OPTIONS"}:
            if (method, route.path) in needed or route.path == "/openapi.json":
                found.add(route.path)
                continue
            path = re.sub(r"\{(\w+)(:path)?\}", "1", route.path)
            answer = HTTP.request(method, f"{site.url}{path}", json={})
            assert answer.status_code in (403, 404, 405), (method, path)
    assert {path for _, path in needed} <= found


def _flat(routes: list[Any]) -> Iterator[Any]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _flat(inner.routes)
        elif hasattr(route, "path") and hasattr(route, "methods"):
            yield route


def test_uploads_are_pictures_and_private(site: Running) -> None:
    def upload(content: bytes, name: str = "a.png") -> httpx.Response:
        return HTTP.post(f"{site.url}/gradio_api/upload", files={"files": (name, content)})

    kept = [Path(upload(picture("red", form=f)).json()[0]) for f in ("PNG", "JPEG", "WebP")]
    for path, suffix in zip(kept, (".png", ".jpeg", ".webp"), strict=True):
        assert path.suffix == suffix
        assert path.parent.parent == page_folder().uploads
        assert [folder.stat().st_mode & 0o777 for folder in list(path.parents)[:3]] == [0o700] * 3
    assert len({path.parent for path in kept}) == 3
    for content, name in (
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a.png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg"),
        (b"<html></html>", "a.html"),
        (picture("red", form="GIF"), "a.png"),
        (picture("red", 4097), "large.png"),
        (b"", "a.png"),
        (picture("red"), "../../../../tmp/a.png"),
    ):
        answer = upload(content, name)
        if name.startswith(".."):
            assert Path(answer.json()[0]).parent.parent == page_folder().uploads
        else:
            assert answer.status_code == 400
            assert str(page_folder().root) not in answer.text
    large = upload(b"\x89PNG\r\n\x1a\n" + bytes(2**24))
    assert large.status_code == 413


def test_uploads_have_a_limit_together() -> None:
    one = picture("red")
    folder = PageFolder(most=3 * len(one))
    kept = [folder.add(one) for _ in range(5)]
    assert [path.exists() for path in kept] == [False, False, True, True, True]
    assert [folder.uploaded(str(path)) for path in kept] == [None, None, *kept[2:]]
    folder.close()
    assert not folder.root.exists()


def test_the_record_of_an_upload_is_read(site: Running) -> None:
    files = {"files": ("a.png", picture("tan", 128))}
    (path,) = HTTP.post(f"{site.url}/gradio_api/upload", files=files).json()
    given = {"path": path, "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}
    (recall,) = (e for e in events(site) if kinds_of_inputs(site)[e["id"]] == ["file"])
    heard = fire(site.url, recall, [given])
    assert "The image says nothing about its making" in heard
    assert path not in heard


def test_odd_bodies_are_refused(site: Running) -> None:
    deep = "[" * 30_000 + "]" * 30_000
    for body in (
        b"",
        b"[]",
        b"{",
        b'{"data": 1}',
        b'{"data": [NaN], "fn_index": 2, "session_hash": "a"}',
        b'{"data": [1e400], "fn_index": 2, "session_hash": "a"}',
        b'{"data": [99999999999999999999], "fn_index": 2, "session_hash": "a"}',
        b'{"data": [], "fn_index": "2", "session_hash": "a"}',
        b'{"data": [], "fn_index": true, "session_hash": "a"}',
        b'{"data": [], "fn_index": 2, "session_hash": "' + b"a" * 65 + b'"}',
        ('{"data": ' + deep + "}").encode(),
        b'{"data": [[[[[[[[[[[[1]]]]]]]]]]]], "fn_index": 2, "session_hash": "a"}',
        b'{"data": ["' + b"x" * 2**16 + b'"], "fn_index": 2, "session_hash": "a"}',
    ):
        for path in ("queue/join", "run/predict"):
            answer = HTTP.post(f"{site.url}/gradio_api/{path}", content=body)
            assert answer.status_code in (400, 413), body[:80]
            assert set(answer.json()) == {"error"}


def test_too_many_faces_are_not_drawn(site: Running) -> None:
    (make,) = (event for event in events(site) if event["api_name"] == "draw")
    heard = fire(site.url, make, [None, True, "a man", 2**40, 7, 1, 1, "text", "", False])
    assert "Traceback" not in heard
    assert site.engine.waiting == 0
