"""The OpenAI Images API over an `Engine`."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel

import text2face
from text2face import provenance
from text2face.errors import quoted
from text2face.pictures import MIME, open_image
from text2face.prompts import Prompt
from text2face.serving import errors
from text2face.serving.engine import Drawn, Engine
from text2face.serving.errors import Refusal
from text2face.serving.forms import checked, read_form, read_json_body, separate
from text2face.serving.guards import BodyLimit, HostGuard, KeyGuard, LastResort
from text2face.serving.metrics import Metrics, Timing
from text2face.serving.packing import Pack, Packing
from text2face.serving.schema import (
    Edit,
    ErrorBody,
    Generation,
    ImageData,
    Images,
    ModelInfo,
    ModelList,
)
from text2face.settings import choose_seeds

__all__ = ["ServerConfig", "make_app"]

_T = TypeVar("_T")
_KEPT: Final = 256  # images that are there for those who ask for URLs
_OPENAI: Final = re.compile(r"gpt-image-[\w.-]{1,40}|chatgpt-image-latest|dall-e-[23]")
_LEFT: Final = 499  # as nginx says that the client has gone


@dataclass(frozen=True)
class ServerConfig:
    """The limits of a server."""

    keys: Sequence[str] = ()
    """API keys; none = everybody may come."""
    hosts: Sequence[str] = ()
    """Names of this host besides `localhost` and addresses; "*" = any."""
    aliases: Sequence[str] = ()
    """Other names for the model, such as a client insists on."""
    timeout: float = 60.0
    """Seconds that a request may take."""
    max_body: int = 8 * 2**20
    """Bytes of a request."""
    max_pixels: int = 2**24
    """Pixels of an upload."""
    sign: provenance.Signer | None = None
    """Adds Content Credentials to the images."""


_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorBody} for status in (400, 401, 404, 408, 413, 429, 500, 503, 504)
}


def make_app(engine: Engine, config: ServerConfig | None = None) -> FastAPI:
    """Make the app; it closes the engine when it shuts down, after what was accepted is done.

    Args:
        engine: Draws.
        config: Limits.
    """
    config = config or ServerConfig()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(engine.close)

    app = FastAPIOffline(  # FastAPI's own page of documentation loads scripts from a CDN
        redoc_url=None,
        title="text2face",
        description="Words to faces, as the OpenAI Images API does it.",
        version=text2face.__version__,
        lifespan=lifespan,
    )
    metrics = Metrics(engine)
    errors.install(app)
    # The last one runs first: a key is checked before the body is read.
    app.add_middleware(BodyLimit, most=config.max_body, seconds=config.timeout)
    if config.keys:
        app.add_middleware(KeyGuard, keys=config.keys)
    app.add_middleware(HostGuard, names=config.hosts)
    app.add_middleware(Timing, metrics=metrics)
    app.add_middleware(LastResort)
    routes = _Routes(engine, config, metrics)
    both: dict[str, Any] = {"response_model": Images, "responses": _ERRORS}
    image = {"type": "string", "format": "binary", "description": "A PNG, JPEG or WebP."}
    words = _body(Generation, "application/json")
    form = _body(Edit, "multipart/form-data", image=image)
    app.post("/v1/images/generations", openapi_extra=words, **both)(routes.generations)
    app.post("/v1/images/edits", openapi_extra=form, **both)(routes.edits)
    app.get("/v1/images/files/{name}", response_class=Response, responses=_ERRORS)(routes.file)
    app.get("/v1/models", responses=_ERRORS)(routes.models)
    app.get("/v1/models/{name}", responses=_ERRORS)(routes.model)
    app.get("/healthz", responses={503: {"model": ErrorBody}})(routes.health)
    app.get("/metrics", response_class=PlainTextResponse)(routes.measure)
    return app


class _Routes:
    def __init__(self, engine: Engine, config: ServerConfig, metrics: Metrics) -> None:
        self.engine = engine
        self.config = config
        self.metrics = metrics
        self.started = int(time.time())
        self.names = (engine.pipe.config.name, *config.aliases)
        self.files: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        self.packing = Packing(engine)

    async def generations(self, request: Request) -> Response:
        """Draw faces from words."""
        deadline = time.monotonic() + self.config.timeout
        body = checked(Generation, read_json_body(request.headers, await request.body()))
        self._check_model(body.model)
        settings = self.engine.pipe.settings(**body.settings())
        count = body.n or 1
        if body.candidates is not None and body.candidates < count:
            raise Refusal(
                400,
                f"candidates is {body.candidates}, expected at least n, {count}",
                code="invalid_value",
                param="candidates",
            )
        keep = None if body.candidates is None else count
        seeds, keep = choose_seeds(body.seed, 1 if keep else count, body.candidates, keep)
        read: list[Prompt] = []
        with self.packing.room(count):
            future = self.engine.draw(
                body.prompt,
                seeds,
                settings,
                keep=keep,
                timeout=self.config.timeout,
                on_read=read.append,
            )
            drawn = await self._wait(request, future, deadline)
            unknown = list(dict.fromkeys(w for one in read for w in one.unknown_words or ()))
            return await self._answer(request, body, drawn, unknown, deadline)

    async def edits(self, request: Request) -> Response:
        """Change a face as words say."""
        deadline = time.monotonic() + self.config.timeout
        form = await read_form(request.headers, await request.body())
        fields, uploads = separate(form, ("image", "image[]", "mask"))
        body = checked(Edit, fields)
        self._check_model(body.model)
        pipe = self.engine.pipe
        if any(name == "mask" for name, _ in uploads):
            raise Refusal(
                400, "a mask is not supported; say it in words", code="not_supported", param="mask"
            )
        if len(uploads) != 1:
            raise Refusal(
                400, f"{len(uploads)} images, expected one", code="invalid_value", param="image"
            )
        content = uploads[0][1].content
        open_image(content, "the image", max_pixels=self.config.max_pixels)
        settings = pipe.settings()
        unknown: list[str] = []

        def make() -> Drawn:
            read = pipe.read(body.prompt, settings)
            unknown.extend(read.unknown_words or ())
            with self.engine.picture(content, max_pixels=self.config.max_pixels) as face:
                made = pipe.edit(face, read.text, strength=body.strength)
            process = f"an image edited with strength {body.strength:g}"
            record = provenance.make_record(pipe, settings, made, process=process)
            return Drawn(made, record)

        with self.packing.room(1):
            future = self.engine.call([make], timeout=self.config.timeout)
            drawn = await self._wait(request, future, deadline)
            return await self._answer(request, body, drawn, unknown, deadline)

    async def file(self, name: str) -> Response:
        """An image that was asked for as a URL; only the latest are kept."""
        found = self.files.get(name)
        if found is None:
            raise Refusal(404, "no such image; only the latest are kept", code="not_found")
        return Response(found[0], media_type=found[1])

    async def models(self) -> ModelList:
        """List the models."""
        return ModelList(data=[ModelInfo(id=name, created=self.started) for name in self.names])

    async def model(self, name: str) -> ModelInfo:
        """Tell of one model."""
        self._check_model(name)
        return ModelInfo(id=name, created=self.started)

    async def health(self) -> dict[str, str]:
        """Whether the server takes requests."""
        if self.engine.closing:
            raise Refusal(503, "the server is shutting down", code="shutting_down")
        return {"status": "ok"}

    async def measure(self) -> PlainTextResponse:
        """Figures for Prometheus."""
        return PlainTextResponse(self.metrics.text(), media_type="text/plain; version=0.0.4")

    def _check_model(self, name: str | None) -> None:
        if name is not None and name not in self.names and not _OPENAI.fullmatch(name):
            raise Refusal(
                404,
                f"no model {quoted(name)} here; expected {', '.join(self.names)}",
                code="model_not_found",
                param="model",
            )

    async def _wait(self, request: Request, future: Future[_T], deadline: float) -> _T:
        """Wait for something, but not for longer than the client does."""
        gone = asyncio.ensure_future(_gone(request))
        wrapped = asyncio.ensure_future(asyncio.wrap_future(future))
        waited: set[asyncio.Future[Any]] = {gone, wrapped}
        try:
            await asyncio.wait(
                waited,
                timeout=max(0.0, deadline - time.monotonic()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if wrapped.done():
                return wrapped.result()
            if gone.done():
                raise Refusal(_LEFT, "the client has left")
            raise TimeoutError
        except TimeoutError:
            raise Refusal(
                504,
                f"not finished within {self.config.timeout:g} s; ask for fewer images",
                code="timeout",
            ) from None
        finally:
            gone.cancel()
            wrapped.cancel()

    async def _answer(
        self,
        request: Request,
        body: Generation | Edit,
        drawn: Sequence[Drawn],
        unknown: list[str],
        deadline: float,
    ) -> Response:
        side = drawn[0].face.image.width if drawn else 0
        if body.size and body.size != "auto":
            side = int(body.size.partition("x")[0])
        pack = Pack(
            drawn,
            side,
            body.output_format or "png",
            None if body.output_compression is None else max(1, body.output_compression),
            self.config.sign,
        )
        inline = body.response_format != "url"
        # Small images are packed sooner than a thread is called.
        if pack.small:
            files = pack.files()
        else:
            left = threading.Event()
            future = self.packing.submit(lambda: pack.files(lambda: not left.is_set()))
            try:
                files = await self._wait(request, future, deadline)
            finally:
                left.set()
        data = [
            ImageData(
                seed=one.face.seed,
                score=round(one.face.score, 4),
                revised_prompt=one.face.prompt if one.face.template else None,
            )
            for one in drawn
        ]
        if not inline:
            for item, file in zip(data, files, strict=True):
                item.url = str(request.url_for("file", name=self._keep(file, pack.kind)))
        images = Images(
            created=int(time.time()),
            data=data,
            output_format=pack.kind,
            size=f"{side}x{side}",
            unknown_words=unknown,
            notes=[note for one in drawn for note in one.face.notes],
        )

        def written() -> bytes:
            for item, file in zip(data, files if inline else (), strict=inline):
                item.b64_json = base64.b64encode(file).decode()
            return images.model_dump_json(exclude_none=True).encode()

        if pack.small:
            content = written()
        else:
            content = await self._wait(request, self.packing.submit(written), deadline)
        return Response(content, media_type="application/json")

    def _keep(self, file: bytes, kind: str) -> str:
        name = f"{secrets.token_urlsafe(16)}.{kind}"
        self.files[name] = (file, MIME[kind])
        while len(self.files) > _KEPT:
            self.files.popitem(last=False)
        return name


async def _gone(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _body(model: type[BaseModel], media: str, **files: Any) -> dict[str, Any]:
    """What the document says of a body that is read by hand."""
    schema = model.model_json_schema()
    schema["properties"] |= files
    schema["required"] = [*schema["required"], *files]
    return {"requestBody": {"required": True, "content": {media: {"schema": schema}}}}
