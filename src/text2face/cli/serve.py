"""`text2face serve` and `text2face ui`."""

from __future__ import annotations

import math
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from text2face.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

__all__ = ["serve", "ui"]

_KEYS: Final = "TEXT2FACE_API_KEYS"
_PAGE_GRACE: Final = 2  # seconds


def _common(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--batch",
            type=click.IntRange(1, 256),
            default=8,
            show_default=True,
            help="Faces in one pass at most.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(0, 256),
            default=0,
            help="Threads that draw.  [default: one for each core]",
        ),
        click.option(
            "--c2pa",
            type=(click.Path(path_type=Path), click.Path(path_type=Path)),
            metavar="CERT KEY",
            help="Sign the images (PEM files).",
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps."),
        click.option(
            "--model", help="A folder, hub id or Fast text2StyleGAN file.  [default: bundled]"
        ),
        click.option("--host", default="127.0.0.1", show_default=True),
    ):
        function = option(function)
    return function


@click.command()
@_common
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option(
    "--queue",
    type=click.IntRange(1, 100_000),
    default=256,
    show_default=True,
    help="Faces that may wait; more are answered 429.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600),
    default=60.0,
    show_default=True,
    help="Seconds that a request may take.",
)
@click.option(
    "--alias",
    "aliases",
    multiple=True,
    metavar="NAME",
    help="Another name of the model, such as gpt-image-1.",
)
@click.option(
    "--api-key-file",
    type=click.Path(path_type=Path),
    help=f"API keys, one a line; also ${_KEYS}, with commas between.",
)
def serve(
    port: int,
    queue: int,
    timeout: float,
    aliases: tuple[str, ...],
    api_key_file: Path | None,
    **options: Any,
) -> None:
    """Serve the OpenAI Images API.

    Interrupting it finishes what was accepted; a second time ends it at once.
    """
    keys = _read_keys(api_key_file)
    _run(port, options, queue=queue, timeout=timeout, aliases=aliases, keys=keys)


@click.command()
@_common
@click.option("--port", type=click.IntRange(0, 65535), default=7860, show_default=True)
@click.option("--open/--no-open", "open_page", default=False, help="Open the page in a browser.")
def ui(port: int, open_page: bool, **options: Any) -> None:
    """Open a page to make, vary and keep faces; it needs no network."""
    _run(port, options, page=True, open_page=open_page)


def _read_keys(path: Path | None) -> list[str]:
    keys = os.environ.get(_KEYS, "").split(",")
    if path is not None:
        try:
            keys += path.read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise ArgumentError(
                f"cannot read the API keys in {path}: {error}; expected a text file with one a line"
            ) from None
    keys = [key.strip() for key in keys if key.strip()]
    if path is not None and not keys:
        raise ArgumentError(f"no API key in {path}; expected one a line")
    return keys


def _run(
    port: int,
    options: dict[str, Any],
    *,
    page: bool = False,
    open_page: bool = False,
    queue: int = 256,
    **limits: Any,
) -> None:
    extra = "ui" if page else "serve"
    if page:
        os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import uvicorn

        from text2face.serving.api import ServerConfig, make_app
        from text2face.serving.engine import Engine, EngineConfig

        if page:
            from text2face.serving.page import mount
    except ImportError as error:
        raise ArgumentError(
            f"{error.name} is not installed; pip install 'text2face[{extra}]'"
        ) from None
    from text2face import provenance
    from text2face.pipeline import TextToFace

    listener = _listen(options["host"], port)  # before the model, which takes longer
    sign = provenance.load_signer(*options["c2pa"]) if options["c2pa"] else None
    pipe = TextToFace.from_pretrained(options["model"]).to(options["device"])
    _ = pipe.weights  # read once, not in the first request
    config = EngineConfig(workers=options["workers"], batch=options["batch"], queue=queue)
    engine = Engine(pipe, config)
    app: FastAPI = make_app(engine, ServerConfig(sign=sign, **limits))
    if page:
        app = mount(app, engine, sign)
    url = f"http://{options['host']}:{listener.getsockname()[1]}"
    click.echo(f"text2face: {pipe.config.name} on {pipe.device.type}, at {url}", err=True)
    if open_page:
        click.launch(url)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=30,
            # An open page never ends by itself.
            timeout_graceful_shutdown=_PAGE_GRACE if page else math.ceil(limits["timeout"]) + 1,
        )
    )
    server.run(sockets=[listener])
    engine.close()


def _listen(host: str, port: int) -> socket.socket:
    """Take the port now, so that a second server says so in one line."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise OutputError(
            f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}; expected a "
            "free port; choose another --port, or stop the other server"
        ) from None
    return listener
