"""`text2face serve` and `text2face ui`."""

from __future__ import annotations

import contextlib
import ipaddress
import math
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from text2face.cli.options import Command, dtype_option, library_of, library_options
from text2face.errors import ArgumentError, OutputError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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
            "--threads",
            "workers",
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
        dtype_option(),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps."),
        click.option(
            "--model", help="A folder, hub id or Fast text2StyleGAN file.  [default: bundled]"
        ),
        click.option(
            "--api-key-file",
            type=click.Path(path_type=Path),
            help=f"API keys for /v1, one a line; also ${_KEYS}, with commas between.",
        ),
        click.option(
            "--allow-host",
            "hosts",
            multiple=True,
            metavar="NAME",
            help="A name that clients call this host by, besides localhost and addresses; * = any.",
        ),
        click.option(
            "--host",
            default="127.0.0.1",
            show_default=True,
            help="The address to listen on; 0.0.0.0 = all.",
        ),
    ):
        function = option(function)
    return library_options(function)


@click.command(cls=Command, example="text2face serve --port 8000")
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
def serve(
    port: int,
    queue: int,
    timeout: float,
    aliases: tuple[str, ...],
    **options: Any,
) -> None:
    """Serve the OpenAI Images API.

    Interrupting it finishes what was accepted; a second time ends it at once.
    """
    _run(port, options, queue=queue, timeout=timeout, aliases=aliases)


@click.command(cls=Command, example="text2face ui --open")
@_common
@click.option("--port", type=click.IntRange(0, 65535), default=7860, show_default=True)
@click.option("--open/--no-open", "open_page", default=False, help="Open the page in a browser.")
def ui(port: int, open_page: bool, **options: Any) -> None:
    """Open a page to make, vary and keep faces; it needs no network."""
    _run(port, options, page=True, open_page=open_page)


def _read_keys(path: Path | None) -> list[str]:
    """The keys of the environment and of a file; what was given and holds none is refused."""
    given = os.environ.get(_KEYS)
    keys = _keys_of((given or "").split(","), f"${_KEYS}")
    if given is not None and not keys:
        raise ArgumentError(
            f"${_KEYS} is set and holds no key; expected keys with commas between; unset it to "
            "serve everyone"
        )
    if path is not None:
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise ArgumentError(
                f"cannot read the API keys in {path}: {error}; expected a text file with one a line"
            ) from None
        found = _keys_of((line for line in lines if not line.lstrip().startswith("#")), str(path))
        if not found:
            raise ArgumentError(f"no API key in {path}; expected one a line")
        keys += found
    return keys


def _keys_of(parts: Iterable[str], place: str) -> list[str]:
    keys = [part.strip() for part in parts if part.strip()]
    for number, key in enumerate(keys, 1):
        if not key.isascii() or any(c.isspace() or not c.isprintable() for c in key):
            raise ArgumentError(
                f"API key {number} in {place} has a space or a character that is not ASCII; "
                "expected printable ASCII without spaces"
            )
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
    try:
        import uvicorn

        from text2face.serving.api import ServerConfig, make_app
        from text2face.serving.connections import Connection
        from text2face.serving.engine import Engine, EngineConfig

        if page:
            from text2face.serving.page import mount
    except ImportError as error:
        raise ArgumentError(
            f"{error.name or one_line(error)} is not installed; pip install 'text2face[{extra}]'"
        ) from None
    from text2face import provenance
    from text2face.loading import choose_device
    from text2face.pipeline import TextToFace
    from text2face.precision import number_type

    choose_device(options["device"])
    library = library_of(options)
    keys = _read_keys(options["api_key_file"])
    listener = _bind(options["host"], port)  # before the model, which takes longer
    address, bound = listener.getsockname()[:2]
    names = [*options["hosts"], options["host"]]
    if not _is_loopback(address):
        names += [socket.gethostname(), f"{socket.gethostname()}.local"]
        _warn(address, keys, page=page)
    with _ended_by_signal():
        sign = provenance.load_signer(*options["c2pa"]) if options["c2pa"] else None
        pipe = TextToFace.from_pretrained(options["model"])
        pipe.to(options["device"], number_type(options["dtype"]))
        pipe.library = library
        _ = pipe.weights, pipe.inverter  # read once, not in the first request
        config = EngineConfig(workers=options["workers"], batch=options["batch"], queue=queue)
        engine = Engine(pipe, config)
        app: FastAPI = make_app(engine, ServerConfig(sign=sign, keys=keys, hosts=names, **limits))
        if page:
            app = mount(app, engine, sign)
        # Connections are refused until here, as health checks expect.
        with _in_one_line(listener, options["host"], port):
            listener.listen(2048)
        host = f"[{options['host']}]" if ":" in options["host"] else options["host"]
        url = f"http://{host}:{bound}"
        click.echo(f"text2face: {pipe.config.name} on {pipe.device.type}, at {url}", err=True)
        if open_page:
            click.launch(url)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                log_level="warning",
                access_log=False,
                timeout_keep_alive=30,
                # An open page never ends by itself.
                timeout_graceful_shutdown=_PAGE_GRACE if page else math.ceil(limits["timeout"]) + 1,
            )
        )
        server.run(sockets=[listener])
        engine.close()


class _Ended(BaseException):
    """A signal came."""


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind as Ctrl-C does.

    The process then ends with the signal's own exit status.
    """
    came: list[int] = []

    def stop(number: int, frame: object) -> None:
        came.append(number)
        raise _Ended

    kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {kind: signal.signal(kind, stop) for kind in kinds}
    try:
        yield
    except _Ended:
        pass
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    if came:
        signal.raise_signal(came[0])


def _is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


def _warn(address: str, keys: list[str], *, page: bool) -> None:
    if not keys:
        click.echo(
            f"text2face: warning: {address} is open to others, and no API key is set: everyone who "
            f"reaches it may use it; give --api-key-file or ${_KEYS}",
            err=True,
        )
    elif page:
        click.echo(
            f"text2face: warning: {address} is open to others: /v1 asks for a key, the page does "
            "not; put it behind a proxy that asks who comes",
            err=True,
        )


def _bind(host: str, port: int) -> socket.socket:
    """Bind the port without listening, so that a port in use is an error before the model loads."""
    if not host.strip():
        raise ArgumentError(
            "--host is empty; expected an address, such as 127.0.0.1, or 0.0.0.0 for all of them"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By this protocol asyncio knows that it may send small packets at once (TCP_NODELAY).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with _in_one_line(listener, host, port):
        listener.bind((host, port))
    return listener


@contextlib.contextmanager
def _in_one_line(listener: socket.socket, host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        listener.close()
        raise OutputError(
            f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}; expected a "
            "free port; choose another --port, or stop the other server"
        ) from None
