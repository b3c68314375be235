"""The page: plain files of this package, and the routes that they ask. No other host is needed."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from functools import partial
from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from text2face.provenance import Signer
from text2face.serving import gate
from text2face.serving.actions import PATIENCE, Actions, Made
from text2face.serving.engine import Drawn, Engine
from text2face.serving.errors import as_refusal

__all__ = ["mount"]

_KINDS: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_HEADERS: Final = {
    # Nothing of a stranger runs here, whatever stands in a prompt, a name or a file.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def mount(app: FastAPI, engine: Engine, sign: Signer | None = None) -> FastAPI:
    """Put the page at the root of an app.

    Args:
        app: From `make_app`.
        engine: Draws.
        sign: Adds Content Credentials to the faces.
    """
    routes = _Routes(Actions(engine, sign))
    hidden: dict[str, Any] = {"include_in_schema": False}
    for name, (content, kind) in _files().items():
        path = "/" if name == "page.html" else f"/page/{name}"
        app.get(path, **hidden)(partial(_file, content, kind))
    app.get("/page/about", **hidden)(routes.about)
    app.get("/page/examples", **hidden)(routes.examples)
    app.post("/page/read", **hidden)(routes.read)
    app.post("/page/draw", **hidden)(routes.draw)
    for action in ("open", "change", "slide", "similar", "around", "blend", "animate"):
        app.post(f"/page/face/{action}", **hidden)(getattr(routes, action))
    return app


def _files() -> dict[str, tuple[bytes, str]]:
    """The files of the page, and their types."""
    found = {}
    for file in files("text2face.serving").joinpath("static").iterdir():
        kind = _KINDS.get(file.name.rpartition(".")[2])
        if kind:
            found[file.name] = (file.read_bytes(), f"{kind}; charset=utf-8")
    return found


async def _file(content: bytes, kind: str) -> Response:
    return Response(content, media_type=kind, headers=_HEADERS)


class _Routes:
    def __init__(self, actions: Actions) -> None:
        self.actions = actions
        self._examples: list[dict[str, Any]] = []
        self._drawing = asyncio.Lock()

    async def about(self) -> Response:
        """What the page needs to know to show itself."""
        return JSONResponse(self.actions.about())

    async def examples(self) -> Response:
        """Faces of this model, drawn when the first visitor comes."""
        async with self._drawing:
            if not self._examples:
                futures = self.actions.examples()
                drawn = [face for one in futures for face in await asyncio.wrap_future(one)]
                self._examples = [await asyncio.to_thread(self.actions.show, one) for one in drawn]
        return JSONResponse(self._examples)

    async def read(self, request: Request) -> Response:
        """What is not known, or not right, in a prompt that is being typed."""
        wish = await gate.read(request, gate.Words)
        # Odd words take long to look up.
        return JSONResponse(await asyncio.to_thread(self.actions.read, wish.prompt))

    async def draw(self, request: Request) -> Response:
        """Draw faces from words, and give each as it is there."""
        wish = await gate.read(request, gate.Draw)
        return _Answer(self.actions).stream(lambda put: self.actions.draw(wish, put), wish.best)

    async def open(self, request: Request) -> Response:
        """Take up a picture."""
        _, (face,) = await gate.read_files(request, gate.Nothing, ("face",))
        return self._faces([lambda: self.actions.open(face)])

    async def change(self, request: Request) -> Response:
        """Change a face."""
        wish, (face,) = await gate.read_files(request, gate.Change, ("face",))
        return self._faces([lambda: self.actions.change(face, wish.words, wish.strength)])

    async def slide(self, request: Request) -> Response:
        """Move a face along the sliders."""
        wish, (face,) = await gate.read_files(request, gate.Slide, ("face",))
        return self._faces([lambda: self.actions.slide(face, wish.values)])

    async def around(self, request: Request) -> Response:
        """Draw the eight faces around one."""
        wish, (face,) = await gate.read_files(request, gate.Around, ("face",))
        places = [(right, down) for down in (-1, 0, 1) for right in (-1, 0, 1) if right or down]
        around = partial(self.actions.around, face, wish.seed, wish.amount)
        return self._faces([partial(around, *place) for place in places])

    async def similar(self, request: Request) -> Response:
        """Draw more like a face."""
        wish, (face,) = await gate.read_files(request, gate.More, ("face",))
        first = secrets.randbelow(10**6)
        return self._faces(
            [partial(self.actions.similar, face, first + i) for i in range(wish.count)]
        )

    async def blend(self, request: Request) -> Response:
        """Blend two faces."""
        wish, (face, other) = await gate.read_files(request, gate.Blend, ("face", "other"))
        return self._faces([lambda: self.actions.blend(face, other, wish.share)])

    async def animate(self, request: Request) -> Response:
        """Move from one face to another."""
        _, (face, other) = await gate.read_files(request, gate.Nothing, ("face", "other"))
        future = self.actions.call([lambda: self.actions.animate(face, other)])
        return _Answer(self.actions).stream(lambda put: future)

    def _faces(self, makers: Sequence[Callable[[], Made]]) -> Response:
        def begin(put: Callable[[Any], object]) -> Future[list[Any]]:
            def make(maker: Callable[[], Made]) -> Made:
                made = maker()
                put(made)
                return made

            return self.actions.call([partial(make, maker) for maker in makers])

        return _Answer(self.actions).stream(begin)


class _Answer:
    """Lines of JSON, one for each thing as it is there: a face, a count, an animation, an error."""

    def __init__(self, actions: Actions) -> None:
        self.actions = actions

    def stream(
        self, begin: Callable[[Callable[[Any], object]], Future[list[Any]]], last: bool = False
    ) -> Response:
        """Answer with what comes of a task.

        Args:
            begin: Begins it; it is given what to call with each thing, from any thread.
            last: Only what remains in the end is shown, and counts before that.

        Raises:
            Text2FaceError: It cannot begin.
            Busy: The queue is full.
        """
        loop, arrived = asyncio.get_running_loop(), asyncio.Queue[Any]()

        def put(thing: Any) -> None:
            loop.call_soon_threadsafe(arrived.put_nowait, thing)

        future = begin(put)
        future.add_done_callback(lambda _: put(None))
        return StreamingResponse(self._lines(future, arrived, last), media_type="text/plain")

    async def _lines(
        self, future: Future[list[Any]], arrived: asyncio.Queue[Any], last: bool
    ) -> AsyncIterator[str]:
        count = 0
        try:
            while (thing := await arrived.get()) is not None:
                count += 1
                yield _line({"drawn": count} if last else await self._shown(thing))
            results = future.result()
            for thing in results:
                if last or isinstance(thing, bytes):
                    yield _line(await self._shown(thing))
        except TimeoutError:
            yield _line({"error": f"it took over {PATIENCE:g} s; ask for fewer faces"})
        except Exception as error:  # the answer has begun: what goes wrong stands in it
            yield _line({"error": str(as_refusal(error))})
        finally:
            future.cancel()  # the visitor may have left or cancelled

    async def _shown(self, thing: Made | Drawn | bytes) -> dict[str, Any]:
        if isinstance(thing, bytes):
            return {"animation": base64.b64encode(thing).decode()}
        return {"face": await asyncio.to_thread(self.actions.show, thing)}


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content) + "\n"
