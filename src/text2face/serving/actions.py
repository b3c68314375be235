"""What the page does: each action takes what was asked for and gives faces to come."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from text2face import provenance
from text2face.editing.attributes import positions, slide
from text2face.editing.finding import find_latent
from text2face.editing.operations import NO_SEED, face_of, neighbour
from text2face.editing.records import describe_edited
from text2face.encoders.base import WordEncoder
from text2face.errors import Text2FaceError
from text2face.faces import Face
from text2face.motion import ping_pong
from text2face.provenance import Signer, embedded_json
from text2face.provenance.record import Record, record_from_json
from text2face.serving.controls import controls, differing, read_controls
from text2face.serving.engine import Drawn, Engine
from text2face.serving.gate import MAX_PIXELS, MOST, Draw
from text2face.settings import MAX_SEED

__all__ = ["PATIENCE", "Actions", "Made", "Step"]

PATIENCE: Final = 120.0  # seconds
EXAMPLES: Final = (
    ("a smiling young woman with long red hair", 4),
    ("an old man with a white beard and round glasses", 5),
    ("a young woman with dark skin and black hair", 4),
    ("a man with a green hat and a beard", 3),
    ("a bald man with sunglasses", 3),
    ("an old woman with grey hair and glasses", 8),
)
_FRAMES: Final = 24  # from one face to the other
_NEARNESS: Final = 0.35  # how far "more like this" goes towards another face of the same words
_STEPS: Final = 50  # of what was done to a face, as far as a file tells
_TOLD: Final = 300  # characters of each thing that a file tells

Step = dict[str, Any]
"""One thing that was done to a face, as flat JSON values; the first may be how it was drawn."""


@dataclass(frozen=True, eq=False)
class Made:
    """A face with what was done to make it."""

    face: Face
    steps: tuple[Step, ...] = ()
    """None of a face that words and seed alone make."""
    record: Record | None = None
    """Of a face that words and seed alone make."""


class Actions:
    """The actions over an engine; nothing of a visit is kept."""

    def __init__(self, engine: Engine, sign: Signer | None = None) -> None:
        """Use an engine and perhaps a certificate."""
        self.engine = engine
        self.pipe: Any = engine.pipe
        self.sign = sign

    def about(self) -> dict[str, Any]:
        """What the page needs to know to show itself."""
        pipe, encoder = self.pipe, self.pipe.encoder
        known = encoder.known_words() if isinstance(encoder, WordEncoder) else {}
        return {
            "model": pipe.config.name,
            "most": MOST,
            "maxSeed": MAX_SEED,
            "words": {name: list(words) for name, words in known.items()},
            "controls": controls(pipe.config),
            "examples": [{"words": words, "seed": seed} for words, seed in EXAMPLES],
        }

    def read(self, prompt: str) -> dict[str, Any]:
        """The words that the model does not know, or what is wrong with the prompt."""
        if not prompt.strip():
            return {}
        try:
            read = self.pipe.read(prompt, self.pipe.settings())
        except Text2FaceError as error:
            return {"error": str(error)}
        return {"unknown": list(read.unknown_words), "corrected": dict(read.corrected_words)}

    def draw(self, wish: Draw, on_face: Callable[[Drawn], object]) -> Future[list[Drawn]]:
        """Ask for faces of words.

        Raises:
            Text2FaceError: A setting is out of range.
            Busy: The queue is full.
        """
        settings = self.pipe.settings(**read_controls(wish.settings))
        seed = secrets.randbelow(10**6) if wish.seed is None else wish.seed
        count = min(wish.count, MAX_SEED - seed + 1)
        draws = min(4 * count, MAX_SEED - seed + 1) if wish.best else count
        return self.engine.draw(
            wish.prompt,
            range(seed, seed + draws),
            settings,
            keep=count if wish.best else None,
            timeout=PATIENCE,
            on_face=on_face,
        )

    def examples(self) -> list[Future[list[Drawn]]]:
        """Ask for the faces of the examples."""
        settings = self.pipe.settings()
        return [self.engine.draw(words, [seed], settings) for words, seed in EXAMPLES]

    def open(self, content: bytes) -> Made:
        """The face of a file: where it was made here, as it was made; else by inversion.

        Raises:
            Text2FaceError: It is no square picture, or the model has no inversion encoder.
        """
        pipe = self.pipe
        with self.engine.picture(content, max_pixels=MAX_PIXELS) as picture:
            if self.sign is not None:  # the page signs what comes of it
                picture.info.pop("c2pa", None)
            found = find_latent(pipe, picture, "the picture")
            if not found.recorded:
                face = replace(face_of(pipe, found.latent), notes=found.notes)
                return Made(face, ({"from": "a picture"},))
            told, record = embedded_json(picture) or {}, None
            wanted = torch.zeros(pipe.encoder.embedding_dim)  # no words, no likeness to them
            if "edited" not in told:
                record = record_from_json(told)
                wanted = pipe.embed(record.prompt, record.settings).float().cpu()
            face = Face(
                Image.fromarray(np.asarray(picture)),  # without what the file says
                found.latent[0],
                wanted,
                record.prompt if record else "",
                record.seed if record else NO_SEED,
                (record.score or 0.0) if record else 0.0,
                found.noise,
                notes=found.notes,
            )
        return Made(face, () if record else _told_steps(told["edited"]), record)

    def change(self, content: bytes, words: str, strength: float) -> Made:
        """Change a face as words say."""
        start = self.open(content)
        read = self.pipe.read(words, self.pipe.settings())
        face = self.pipe.edit(start.face, read.text, strength=strength)
        step = {"prompt": read.text, "strength": strength, "score": round(face.score, 4)}
        return self._changed(start, face, step)

    def similar(self, content: bytes, seed: int) -> Made:
        """Another face like this one: on the way to another of the same words, or of none."""
        start = self.open(content)
        if start.record is None:
            face = self.pipe.vary(start.face, seed, _NEARNESS)
        else:
            record = start.record
            (other,) = self.pipe.draw([record.prompt], [seed], record.settings)
            face = self._between(start.face, other, _NEARNESS)
        return self._changed(start, face, {"varied by seed": seed, "amount": _NEARNESS})

    def slide(self, content: bytes, values: Mapping[str, float]) -> Made:
        """Move a face along the sliders of attributes."""
        start = self.open(content)
        latent = slide(self.pipe, start.face.latent, values)
        return self._changed(start, self._at(start.face, latent), dict(values))

    def around(self, content: bytes, seed: int, amount: float, right: int, down: int) -> Made:
        """A face beside this one, on the map that a seed draws."""
        start = self.open(content)
        face = neighbour(self.pipe, start.face, seed, right, down, amount)
        step = {"moved on the map of seed": seed, "right": right, "down": down, "amount": amount}
        return self._changed(start, face, step)

    def blend(self, content: bytes, other: bytes, share: float) -> Made:
        """What lies between two faces."""
        a, b = self.open(content), self.open(other)
        face = self._between(a.face, b.face, share)
        return self._changed(a, face, {"blended with": _name(b), "share": share})

    def animate(self, content: bytes, other: bytes) -> bytes:
        """A moving WebP from one face to another and back."""
        a, b = self.open(content), self.open(other)
        way = torch.linspace(0, 1, _FRAMES)
        frames = [self._between(a.face, b.face, float(t)).image for t in way]
        steps = [*self._begun(a), {"animated to": _name(b)}]
        told, about = describe_edited(self.pipe, steps)
        return provenance.encode_edited(
            ping_pong(frames), told, about, "webp", fps=16, sign=self.sign
        )

    def call(self, makers: Sequence[Callable[[], Any]]) -> Future[list[Any]]:
        """Have something made by the engine's threads.

        Raises:
            Busy: The queue is full.
        """
        return self.engine.call(makers, timeout=PATIENCE)

    def show(self, made: Made | Drawn) -> dict[str, Any]:
        """A face as the page gets it: a file with all its metadata, and what to say of it."""
        made = Made(made.face, record=made.record) if isinstance(made, Drawn) else made
        face, record = made.face, made.record
        first = self._begun(made)[0]
        shown = {
            "words": first.get("drawn", ""),
            "seed": first.get("seed"),
            "settings": {k: v for k, v in first.items() if k not in ("drawn", "seed", "from")},
            "steps": [step for step in made.steps if "drawn" not in step],
            "sliders": positions(self.pipe, face.latent),
            "name": f"{_name(made)}.png".replace(" ", "-"),
            "side": face.image.width,
            "notes": list(face.notes),
        }
        if record is not None:
            file = provenance.encode_file(face.image, record, sign=self.sign)
        else:
            told, about = describe_edited(self.pipe, made.steps, face.latent, face.noise)
            file = provenance.encode_edited([face.image], told, about, sign=self.sign)
        return {**shown, "file": base64.b64encode(file).decode()}

    def _changed(self, start: Made, face: Face, step: Step) -> Made:
        face = replace(face, notes=start.face.notes)
        return Made(face, (*self._begun(start), step))

    def _begun(self, made: Made) -> tuple[Step, ...]:
        """What was done so far, the drawing first."""
        if made.record is None:
            return made.steps
        settings = differing(made.record.settings, self.pipe.config)
        return ({"drawn": made.record.prompt, "seed": made.record.seed, **settings},)

    def _between(self, a: Face, b: Face, share: float) -> Face:
        """The face at a share of the way between two latents, as near to the words of `a`."""
        return self._at(a, torch.lerp(a.latent, b.latent, share))

    def _at(self, start: Face, latent: Tensor) -> Face:
        """The face of a latent w [num_ws, w_dim] that comes from another's."""
        noise = start.noise
        return face_of(self.pipe, latent[None], start.prompt, start.seed, start.embedding, noise)


def _name(made: Made) -> str:
    first = made.steps[0] if made.steps else {}
    seed = made.record.seed if made.record else first.get("seed")
    edited = " edited" if made.steps else ""
    return f"seed {seed}{edited}" if isinstance(seed, int) else f"face{edited}"


def _told_steps(steps: object) -> tuple[Step, ...]:
    """What a file says was done: written by anyone, so only short texts and numbers of it."""
    listed = steps if isinstance(steps, list) else []
    return tuple(
        {str(k)[:_TOLD]: _short(v) for k, v in list(step.items())[:20]}
        for step in listed[:_STEPS]
        if isinstance(step, Mapping) and step
    ) or ({"from": "a picture"},)


def _short(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:_TOLD]
