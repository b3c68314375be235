"""What the page does: each action takes what stands on the page and gives what to show."""

from __future__ import annotations

import contextlib
import queue
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary, finalize

import gradio as gr
import torch
from PIL import Image
from torch.nn import functional as F

from text2face import provenance
from text2face.errors import ArgumentError, Text2FaceError
from text2face.pipeline import Face, to_pil
from text2face.provenance import Record, Signer
from text2face.serving.controls import read_controls
from text2face.serving.engine import Busy, Closed, Drawn, Engine
from text2face.serving.uploads import MAX_PIXELS, page_folder
from text2face.settings import MAX_SEED

__all__ = ["Actions", "Form", "Pair", "Session"]

_MOST: Final = 60  # faces in the history of a visit
_STEPS: Final = 24  # frames from one face to the other
_NEARNESS: Final = 0.35  # how far "more like this" goes towards another face of the same words
_PATIENCE: Final = 120.0


Pair = tuple[Drawn | None, Drawn | None]
"""Two faces of the history, in the order of the clicks; the later one stands second."""


@dataclass
class Session:
    """What a visitor has made so far; newest first."""

    faces: list[Drawn] = field(default_factory=list)
    shown: list[Drawn] = field(default_factory=list)
    """Those in the gallery."""
    chosen: int | None = None
    """The place in the gallery of the one that was clicked."""

    def remember(self, drawn: Sequence[Drawn]) -> None:
        """Show these faces and put them into the history."""
        self.shown = list(drawn)
        self.chosen = 0 if drawn else None
        self.faces = [*drawn, *self.faces][:_MOST]


@dataclass(frozen=True)
class Form:
    """What stands on the page."""

    prompt: str
    count: int
    seed: int
    best: bool
    settings: Sequence[Any]
    """What stands on the controls of `Settings`, in order."""


def sorry(message: str) -> gr.Error:
    """A note on the page; nothing of it is printed where the server runs."""
    return gr.Error(message, duration=8, title="Sorry", print_exception=False)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn what the library refuses into a note on the page."""
    try:
        yield
    except (Text2FaceError, Busy) as error:
        message = str(error)
        raise sorry(message[0].upper() + message[1:] + ".") from None
    except Closed:
        raise sorry("The server is shutting down.") from None
    except TimeoutError:
        raise sorry("That took too long; try fewer faces.") from None


class Actions:
    """The actions over an engine."""

    def __init__(self, engine: Engine, sign: Signer | None = None) -> None:
        """Use an engine and perhaps a certificate."""
        self.engine = engine
        self.sign = sign
        self.folder = page_folder()
        self._files: WeakKeyDictionary[Drawn, str] = WeakKeyDictionary()

    def notice(self, prompt: str) -> str:
        """The words that the model does not know, or what is wrong with the prompt."""
        if not prompt.strip():
            return ""
        pipe = self.engine.pipe
        try:
            unknown = pipe.unknown_words([prompt], pipe.settings())
            corrected = pipe.corrected_words([prompt], pipe.settings())
        except Text2FaceError as error:
            return f"⚠ {error}"
        said = [f"I read “{word}” as “{known}”." for word, known in corrected.items()]
        if unknown:
            words = ", ".join(f"“{word}”" for word in unknown)
            said.append(f"I don’t know {words}. I’ll go by the rest.")
        return " ".join(said)

    def draw(self, wish: Form, visit: Session, locked: bool) -> Iterator[tuple[int, list[Drawn]]]:
        """Draw faces, and give the seed and those that are there after each one."""
        with explained():
            seed = wish.seed if locked else secrets.randbelow(10**6)
            count = min(wish.count, MAX_SEED - seed + 1)
            draws = 4 * count if wish.best else count
            settings = self.engine.pipe.settings(**read_controls(wish.settings))
            arrived: queue.SimpleQueue[Drawn | None] = queue.SimpleQueue()
            future = self.engine.draw(
                wish.prompt,
                range(seed, seed + draws),
                settings,
                keep=count if wish.best else None,
                timeout=_PATIENCE,
                on_face=arrived.put,
            )
            future.add_done_callback(lambda _: arrived.put(None))
            try:
                faces: list[Drawn] = []
                while (drawn := arrived.get()) is not None:
                    faces.append(drawn)
                    order = _by_score if wish.best else _by_seed
                    faces = sorted(faces, key=order)[:count]
                    yield seed, faces
                faces = future.result()
            finally:
                future.cancel()  # the visitor may have left or cancelled
            visit.remember(faces)
            yield seed, faces

    def similar(self, visit: Session, count: int) -> Iterator[list[Drawn]]:
        """More like the chosen one: the same words, a z nearby."""
        with explained():
            source = _chosen(visit)
            pipe = self.engine.pipe
            first = secrets.randbelow(10**6)

            def make(seed: int) -> Drawn:
                (other,) = pipe.draw([source.record.prompt], [seed], source.record.settings)
                face = self._between(source.face, other, _NEARNESS)
                return self._made(face, source.record, f"seed {source.face.seed} varied by {seed}")

            yield from self._call(visit, [(make, first + i) for i in range(count)])

    def blend(self, visit: Session, pair: Pair, share: float) -> Iterator[list[Drawn]]:
        """What lies between two faces of the history."""
        with explained():
            a, b = _both(pair)

            def make(_: int) -> Drawn:
                face = self._between(a.face, b.face, share / 100)
                about = f"{share:g} % of seed {b.face.seed} in seed {a.face.seed}"
                return self._made(face, a.record, about)

            yield from self._call(visit, [(make, 0)])

    def move(self, pair: Pair) -> str:
        """An animation from one face of the history to another."""
        with explained():
            a, b = _both(pair)
            frames: list[Image.Image] = []

            def make() -> Drawn:
                way = torch.linspace(0, 1, _STEPS)
                frames.extend(self._between(a.face, b.face, float(t)).image for t in way)
                return a

            self.engine.call([make], timeout=_PATIENCE).result()
            records = [replace(one.record, process="one end of an animation") for one in (a, b)]
            both = [*frames, *frames[-2:0:-1]]
            file = provenance.encode_file(both, records, "webp", duration=60, sign=self.sign)
            name = f"seed{a.face.seed}-to-seed{b.face.seed}.webp"
            return str(self.folder.save(file, name))

    def edit(
        self, upload: str | None, prompt: str, strength: float, visit: Session
    ) -> Iterator[list[Drawn]]:
        """Change a face as words say: the upload, or else the chosen one."""
        with explained():
            content = None if upload is None else self._upload(upload)
            if content is None and visit.chosen is None:
                raise sorry("Make a face and click on it, or drop one in.")
            start = _chosen(visit).face if content is None else None
            pipe: Any = self.engine.pipe
            settings = pipe.settings()
            read = pipe.read(prompt, settings)  # refuses what it cannot read
            process = f"an image edited with strength {strength:g}"

            def make(_: int) -> Drawn:
                if content is None:
                    face = pipe.edit(start, read.text, strength=strength)
                else:
                    with self.engine.picture(content, max_pixels=MAX_PIXELS) as picture:
                        face = pipe.edit(picture, read.text, strength=strength)
                return Drawn(face, provenance.make_record(pipe, settings, face, process=process))

            yield from self._call(visit, [(make, 0)])

    def keep(self, drawn: Drawn) -> str:
        """A file of a face, with all its metadata, to download."""
        with explained():
            known = self._files.get(drawn)
            if known is None:
                file = provenance.encode_file(drawn.face.image, drawn.record, sign=self.sign)
                known = str(self.folder.save(file, f"seed{drawn.face.seed:04d}.png"))
                self._files[drawn] = known
                # The file goes when no visit holds the face any more.
                finalize(drawn, self.folder.discard, Path(known))
            return known

    def recall(self, path: str) -> Record:
        """What an image that was dropped in says of itself."""
        with explained():
            record = provenance.read(self._upload(path))[0]
            if record.process:
                raise sorry(
                    f"This is {record.process}: words and seed alone do not make it. Drop it "
                    "under “Change a face” to go on from it."
                )
            return record

    def _upload(self, path: str) -> bytes:
        found = self.folder.uploaded(path)
        with contextlib.suppress(OSError):
            if found is not None:
                return found.read_bytes()
        raise ArgumentError("the image is no longer here; expected a new upload; drop it again")

    def _call(self, visit: Session, makers: Sequence[tuple[Any, int]]) -> Iterator[list[Drawn]]:
        calls = [lambda make=make, seed=seed: make(seed) for make, seed in makers]
        future = self.engine.call(calls, timeout=_PATIENCE)
        try:
            faces = future.result()
        finally:
            future.cancel()
        for note in dict.fromkeys(note for one in faces for note in one.face.notes):
            gr.Warning(f"{note[0].upper()}{note[1:]}.", title="Look at it twice")
        visit.remember(faces)
        yield faces

    def _made(self, face: Face, source: Record, process: str) -> Drawn:
        record = replace(source, seed=face.seed, score=face.score, process=process)
        return Drawn(face, record)

    def _between(self, a: Face, b: Face, share: float) -> Face:
        """The face at a share of the way between two latents, as near to the words of `a`."""
        pipe = self.engine.pipe
        latent = torch.lerp(a.latent, b.latent, share)
        with torch.no_grad():
            images = pipe.decode(latent[None])
            seen = pipe.encoder.encode_image(images).float().cpu()
        score = float(F.cosine_similarity(seen, a.embedding[None]))
        return replace(a, image=to_pil(images)[0], latent=latent, score=score)


def _by_score(drawn: Drawn) -> float:
    return -drawn.face.score


def _by_seed(drawn: Drawn) -> float:
    return drawn.face.seed


def _both(pair: Pair) -> tuple[Drawn, Drawn]:
    first, second = pair
    if first is None or second is None:
        raise sorry("Click on two of the faces that you have made.")
    return first, second


def _chosen(visit: Session) -> Drawn:
    if visit.chosen is None or not 0 <= visit.chosen < len(visit.shown):
        raise sorry("Click on a face first.")
    return visit.shown[visit.chosen]
