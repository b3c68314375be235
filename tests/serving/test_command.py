from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from text2face.cli.serve import _read_keys
from text2face.errors import ArgumentError

START = """
import sys
from tests import tiny
tiny.register()
if "--slowly" in sys.argv:
    import time
    sys.argv.remove("--slowly")
    paint = tiny.TinyGenerator.synthesize
    def slowly(*arguments):
        time.sleep(0.3)
        return paint(*arguments)
    tiny.TinyGenerator.synthesize = slowly
from text2face.cli import main
main(sys.argv[1:])
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    root = str(Path(__file__).parent.parent.parent)
    return subprocess.Popen(
        [sys.executable, "-c", START, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_health(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            assert httpx.get(f"{url}/healthz").status_code == 200
            return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("the server did not start")


def test_a_signal_finishes_what_was_accepted(model: Path, port: int) -> None:
    process = start("serve", "--model", model, "--port", port, "--slowly")
    url = f"http://127.0.0.1:{port}"
    answers: list[httpx.Response] = []
    try:
        await_health(url, process)

        def ask() -> None:
            body = {"prompt": "a man", "n": 3, "seed": 1}
            answers.append(httpx.post(f"{url}/v1/images/generations", json=body, timeout=60))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert [len(answer.json()["data"]) for answer in answers] == [3, 3, 3]
    assert "Traceback" not in err


def test_two_servers_on_a_port_and_a_missing_model_are_one_line(model: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        second = start("serve", "--model", model, "--port", taken.getsockname()[1])
        _, err = second.communicate(timeout=300)
    assert second.returncode == 1
    assert err.count("\n") == 1
    assert "address already in use; expected a free port" in err
    missing = start("serve", "--model", "./none", "--port", 0)
    _, err = missing.communicate(timeout=300)
    assert (missing.returncode, err.count("\n")) == (1, 1)


def test_keys_come_from_a_file_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text("one\n\n two \n")
    monkeypatch.setenv("TEXT2FACE_API_KEYS", "three,four")
    assert _read_keys(tmp_path / "keys") == ["three", "four", "one", "two"]
    monkeypatch.delenv("TEXT2FACE_API_KEYS")
    assert _read_keys(None) == []
    (tmp_path / "keys").write_text("\n")
    with pytest.raises(ArgumentError, match="no API key in"):
        _read_keys(tmp_path / "keys")
    with pytest.raises(ArgumentError, match="cannot read the API keys"):
        _read_keys(tmp_path / "none")


def test_what_should_hold_keys_and_holds_none_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any, capsys: Any
) -> None:
    (tmp_path / "comments").write_text("# the keys of the team\n  # none yet\n")
    (tmp_path / "spaced").write_text("one two\n")

    def refused(*options: object) -> str:
        for command in ("serve", "ui"):
            assert run(command, "--model", model, "--port", 0, *options) in (1, 2)
        err = str(capsys.readouterr().err)
        assert err.count("\n") == 2
        return err

    assert "no API key in" in refused("--api-key-file", tmp_path / "comments")
    assert "has a space" in refused("--api-key-file", tmp_path / "spaced")
    assert "--host is empty" in refused("--host", "")
    for empty in ("", " ", ",", " , "):
        monkeypatch.setenv("TEXT2FACE_API_KEYS", empty)
        assert "is set and holds no key" in refused("--host", "0.0.0.0")


def test_the_page_writes_nothing_and_heeds_keys(
    model: Path, port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("TEXT2FACE_API_KEYS", "secret")
    url = f"http://127.0.0.1:{port}"
    process = start("ui", "--model", model, "--port", port, "--host", "0.0.0.0")
    try:
        await_health(url, process)
        assert httpx.get(url).status_code == 200
        answer = httpx.post(f"{url}/page/draw", json={"prompt": "a man", "count": 1})
        assert "face" in answer.json()
        assert list(temporary.iterdir()) == []
        assert httpx.get(f"{url}/v1/models").status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert httpx.get(f"{url}/v1/models", headers=headers).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert "the page does not" in err
    assert "Traceback" not in err
    assert process.returncode == -signal.SIGTERM
    assert list(temporary.iterdir()) == []


def test_a_public_address_without_keys_is_told(model: Path, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    process = start("serve", "--model", model, "--port", port, "--host", "0.0.0.0")
    try:
        await_health(url, process)
        assert httpx.get(f"{url}/healthz", headers={"Host": "evil.org"}).status_code == 403
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert "no API key is set" in err
    assert "Traceback" not in err
