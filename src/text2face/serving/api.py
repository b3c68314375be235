"""The OpenAI Images API over an `Engine`."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from fastapi_offline import FastAPIOffline
from PIL import Image
from pydantic import ValidationError

import text2face
from text2face import provenance
from text2face.pictures import MIME, decode_image
from text2face.serving import errors
from text2face.serving.engine import Drawn, Engine
from text2face.serving.errors import Refusal
from text2face.serving.guards import BodyLimit, HostGuard, KeyGuard
from text2face.serving.metrics import Metrics, Timing
from text2face.serving.schema import (
    ErrorBody,
    Generation,
    ImageData,
    Images,
    ModelInfo,
    ModelList,
    Prompt,
)
from text2face.settings import choose_seeds

__all__ = ["ServerConfig", "make_app"]

_KEPT: Final = 256  # images that are there for those who ask for URLs
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
    # The last one stands first: nobody's body is read before his key is.
    app.add_middleware(BodyLimit, most=config.max_body, seconds=config.timeout)
    if config.keys:
        app.add_middleware(KeyGuard, keys=config.keys)
    app.add_middleware(HostGuard, names=config.hosts)
    app.add_middleware(Timing, metrics=metrics)
    routes = _Routes(engine, config, metrics)
    both: dict[str, Any] = {"response_model_exclude_none": True, "responses": _ERRORS}
    app.post("/v1/images/generations", **both)(routes.generations)
    app.post("/v1/images/edits", **both)(routes.edits)
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

    async def generations(self, request: Request, body: Generation) -> Images:
        """Draw faces from words."""
        self._check_model(body.model)
        pipe = self.engine.pipe
        settings = pipe.settings(**body.settings())
        prompt = pipe.read(body.prompt, settings)
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
        # A prompt costs a millisecond, which others need not wait for.
        future = self.engine.draw(prompt, seeds, settings, keep=keep, timeout=self.config.timeout)
        drawn = await self._wait(request, future)
        unknown = pipe.unknown_words([prompt], settings)
        return await self._answer(request, body, drawn, unknown)

    async def edits(
        self,
        request: Request,
        prompt: Annotated[Prompt, Form()],
        image: Annotated[list[UploadFile] | None, File()] = None,
        images: Annotated[list[UploadFile] | None, File(alias="image[]")] = None,
        mask: Annotated[UploadFile | None, File()] = None,
        model: Annotated[str | None, Form()] = None,
        n: Annotated[int, Form(ge=1, le=1, description="An edit has one result.")] = 1,
        size: Annotated[str | None, Form()] = None,
        response_format: Annotated[str | None, Form()] = None,
        output_format: Annotated[str | None, Form()] = None,
        output_compression: Annotated[int | None, Form(ge=0, le=100)] = None,
        strength: Annotated[float, Form(ge=-3, le=3)] = 1.0,
        user: Annotated[str | None, Form()] = None,
    ) -> Images:
        """Change a face as words say."""
        given = {
            "prompt": prompt,
            "model": model,
            "size": size,
            "response_format": response_format,
            "output_format": output_format,
            "output_compression": output_compression,
        }
        try:
            body = Generation.model_validate(
                {name: value for name, value in given.items() if value is not None}
            )
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from None
        self._check_model(body.model)
        pipe = self.engine.pipe
        if mask is not None:
            raise Refusal(
                400, "a mask is not supported; say it in words", code="not_supported", param="mask"
            )
        uploads = [*(image or ()), *(images or ())]
        if len(uploads) != 1:
            raise Refusal(
                400, f"{len(uploads)} images, expected one", code="invalid_value", param="image"
            )
        content = await uploads[0].read()
        face = await asyncio.to_thread(
            decode_image, content, "the image", max_pixels=self.config.max_pixels
        )
        settings = pipe.settings()
        unknown = pipe.unknown_words([prompt], settings)  # also checks the prompt

        def make() -> Drawn:
            made = pipe.edit(face, prompt, strength=strength)
            process = f"an image edited with strength {strength:g}"
            record = provenance.describe(pipe, settings, made, process=process)
            return Drawn(made, record)

        future = self.engine.call([make], timeout=self.config.timeout)
        return await self._answer(request, body, await self._wait(request, future), unknown)

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
        if name is not None and name not in self.names:
            raise Refusal(
                404,
                f"no model {name[:60]!r} here; expected {', '.join(self.names)}",
                code="model_not_found",
                param="model",
            )

    async def _wait(self, request: Request, future: Future[list[Drawn]]) -> list[Drawn]:
        """Wait for faces, but not for longer than the client does."""
        gone = asyncio.ensure_future(_gone(request))
        wrapped = asyncio.ensure_future(asyncio.wrap_future(future))
        waited: set[asyncio.Future[Any]] = {gone, wrapped}
        try:
            await asyncio.wait(
                waited,
                timeout=self.config.timeout,
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
        self, request: Request, body: Generation, drawn: Sequence[Drawn], unknown: list[str]
    ) -> Images:
        kind = body.output_format or "png"
        side = drawn[0].face.image.width if drawn else 0
        if body.size and body.size != "auto":
            side = int(body.size.partition("x")[0])
        quality = None if body.output_compression is None else max(1, body.output_compression)

        def pack() -> list[bytes]:
            return [
                provenance.encode(
                    _resized(one.face.image, side),
                    one.record,
                    kind,
                    quality=quality,
                    sign=self.config.sign,
                )
                for one in drawn
            ]

        # Small images are packed sooner than a thread is called.
        small = len(drawn) * side * side <= 2**15 and self.config.sign is None
        files = pack() if small else await asyncio.to_thread(pack)
        data = []
        for one, file in zip(drawn, files, strict=True):
            item = ImageData(seed=one.face.seed, score=round(one.face.score, 4))
            if body.response_format == "url":
                item.url = str(request.url_for("file", name=self._keep(file, kind)))
            else:
                item.b64_json = base64.b64encode(file).decode()
            data.append(item)
        return Images(
            created=int(time.time()),
            data=data,
            output_format=kind,
            size=f"{side}x{side}",
            unknown_words=unknown,
        )

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


def _resized(image: Image.Image, side: int) -> Image.Image:
    return image if image.width == side else image.resize((side, side), Image.Resampling.LANCZOS)
