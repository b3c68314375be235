from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from text2face.serving import health


class Handler(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_healthy_if_any_of_the_ports_answers(server: HTTPServer) -> None:
    assert health.main([str(free_port()), str(server.server_port)]) == 0
    assert health.main([str(free_port())]) == 1


def test_not_healthy_if_it_answers_with_an_error(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "status", 503)
    assert health.main([str(server.server_port)]) == 1


def test_the_container_asks_the_ports_of_server_and_page() -> None:
    from text2face.cli import cli

    dockerfile = (Path(__file__).parents[2] / "Dockerfile").read_text()
    command = json.loads(re.findall(r"HEALTHCHECK.*?CMD (\[.*?\])", dockerfile, re.S)[0])
    defaults = {
        str(option.default)
        for name in ("serve", "ui")
        for option in cli.commands[name].params
        if option.name == "port"
    }
    assert command[:3] == ["python", "-m", "text2face.serving.health"]
    assert set(command[3:]) == defaults
