from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from text2face import TextToFace

pytest.importorskip("fastapi")

import uvicorn

from text2face.serving.api import ServerConfig, make_app
from text2face.serving.connections import Connection
from text2face.serving.engine import Engine, EngineConfig


class Running:
    """A server on a free port of this machine, in a thread."""

    def __init__(self, pipe: TextToFace, *, page: bool = False, **options: Any) -> None:
        engine_options = {k: options.pop(k) for k in ("queue", "batch", "workers") if k in options}
        self.engine = Engine(pipe, EngineConfig(**engine_options))
        self.app = make_app(self.engine, ServerConfig(**options))
        app = self.app
        if page:
            from text2face.serving.page import mount

            app = mount(app, self.engine)
        self.server = uvicorn.Server(
            uvicorn.Config(app, port=0, http=Connection, ws="none", log_level="warning")
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.engine.close()


@contextmanager
def running(pipe: TextToFace, **options: Any) -> Iterator[Running]:
    server = Running(pipe, **options)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def served(pipe: TextToFace) -> Iterator[Running]:
    """The tiny model, served."""
    with running(pipe) as server:
        yield server


@pytest.fixture
def serve(pipe: TextToFace) -> Iterator[Callable[..., Running]]:
    """Serve with other options."""
    servers: list[Running] = []

    def start(other: TextToFace | None = None, **options: Any) -> Running:
        servers.append(Running(other or pipe, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
