"""The editing methods of `TextToFace`, as functions of a model."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from text2face.checks import check_count, check_number
from text2face.editing.base import EditRequest, check_method
from text2face.editing.finding import Found, find_latent
from text2face.editing.posterior import Inferring, InferringPictures
from text2face.errors import ArgumentError
from text2face.faces import Face, Noise, noise, to_pil, to_tensor
from text2face.generators.stylegan2 import StyleGAN2
from text2face.inversion.optimisation import InversionProgress, OptimisationConfig, optimise
from text2face.printing import printable
from text2face.settings import check_seed

if TYPE_CHECKING:
    from text2face.model import FaceModel

FaceLike = Image.Image | Face | Tensor
"""A picture, a face that the pipeline made, or a latent w [num_ws, w_dim]."""

_log: Final = logging.getLogger(__name__)
MAX_STRENGTH: Final = 3.0
NO_SEED: Final = 0
"""The seed of a face that none drew."""


def encode(pipe: FaceModel, image: Image.Image | Tensor) -> Tensor:
    """Find the latent of a picture, w [1, num_ws, w_dim], float32 on the CPU.

    See `text2face.editing.finding.find_latent`; what the user should know is logged as a warning.
    """
    return _log_notes(find_latent(pipe, image)).latent


def latent_of(pipe: FaceModel, face: FaceLike) -> Tensor:
    """The latent w [1, num_ws, w_dim], float32 on the CPU, of anything that is a face.

    Raises:
        ArgumentError: It is none, or a latent of another generator.
        InversionError: It is a picture of something else, and there is no encoder.
    """
    return _found(pipe, face).latent


def _log_notes(found: Found) -> Found:
    for note in found.notes:
        _log.warning("%s", printable(note))
    return found


def _found(pipe: FaceModel, face: FaceLike) -> Found:
    if isinstance(face, Image.Image):
        return _log_notes(find_latent(pipe, face))
    latent = face.latent if isinstance(face, Face) else face
    if not isinstance(latent, Tensor):
        raise ArgumentError(
            f"the face is a {type(face).__name__}, expected a picture, a Face or a latent"
        )
    latent = latent[None] if latent.ndim == 2 else latent
    if len(latent) != 1 or not bool(latent.isfinite().all()):
        raise ArgumentError(
            f"the latent is {list(latent.shape)}, expected one finite [num_ws, w_dim]"
        )
    drawn_with = face.noise if isinstance(face, Face) else Noise()
    return Found(pipe.checked_latents(latent).float().cpu(), noise=drawn_with)


def refine(
    pipe: FaceModel,
    image: Image.Image,
    start: Tensor,
    *,
    steps: int,
    on_step: Callable[[InversionProgress], object] = lambda progress: None,
) -> Tensor:
    """A latent w [1, num_ws, w_dim] brought nearer to a picture by optimisation from `start`."""
    spread = pipe.latent_axes.up.square().sum(dim=0).sqrt()
    found = optimise(
        pipe.generator,
        to_tensor(image).to(pipe.device),
        start.to(pipe.device),
        spread.to(pipe.device),
        encoder=pipe.encoder,
        config=OptimisationConfig(steps=steps),
        on_step=on_step,
    )
    return found.latents.float().cpu()


@torch.no_grad()
def face_of(
    pipe: FaceModel,
    latent: Tensor,
    prompt: str = "",
    seed: int = NO_SEED,
    embedding: Tensor | None = None,
    drawn_with: Noise | None = None,
) -> Face:
    """Draw the face of a latent w [1, num_ws, w_dim]; its score is the cosine to `embedding`."""
    drawn_with = drawn_with or Noise()
    images = pipe.decode(latent, drawn_with.mode, seed=drawn_with.seed)
    seen = F.normalize(pipe.encoder.encode_image(images).float(), dim=1).cpu()
    wanted = seen[0] if embedding is None else embedding.cpu()
    score = float(seen[0] @ wanted)
    image = to_pil(images)[0]
    return Face(image, latent[0].float().cpu(), wanted, prompt, seed, score, drawn_with)


@torch.no_grad()
def edit(
    pipe: FaceModel,
    face: FaceLike,
    prompt: str,
    *,
    strength: float = 1.0,
    method: str | None = None,
    source: str | None = None,
    lock: float = 0.0,
    **settings: Any,
) -> Face:
    """Change a face as words say, and leave the rest.

    Args:
        pipe: The model.
        face: A picture, a `Face` or a latent w [num_ws, w_dim].
        prompt: What it should show, in the syntax of `text2face.prompts`.
        strength: From -3 to 3; 0 is exactly the original, 1 what the words ask for.
        method: "posterior", "direction", "channels" or "optimise" (docs/editing.md); None = that
            of `default_method`.
        source: What is there instead now, such as "a face with a beard"; None = anything.
        lock: From 0 to 1; leave out changes along axes of the latents that are smaller than this
            share of the largest, so that the face stays more itself.
        **settings: What the method takes besides.

    Returns:
        The edited face; its score is the cosine to the prompt.

    Raises:
        PromptError: The prompt cannot be read, or the encoder knows no word of it.
        ArgumentError: A setting is out of range, or the model lacks what the method needs.
        InversionError: A picture, and the model has no inversion encoder.
    """
    how: dict[str, Any] = {"method": method, "source": source, "lock": lock}
    (edited,) = sweep(pipe, face, prompt, [strength], **how, **settings)
    return edited


def default_method(pipe: FaceModel) -> str:
    """The name of the best way to edit that a model allows.

    "posterior" where the sampler has one; else "channels" with a StyleGAN2, as for the faces of
    clip2latent, and "optimise" with other generators.
    """
    if isinstance(pipe.sampler, Inferring | InferringPictures):
        return "posterior"
    return "channels" if isinstance(pipe.generator, StyleGAN2) else "optimise"


def change_of(
    pipe: FaceModel,
    latent: Tensor,
    embedding: Tensor,
    *,
    method: str | None = None,
    source: str | None = None,
    **settings: Any,
) -> Tensor:
    """The change of w at strength 1 that words ask for: [1, num_ws, w_dim] on the CPU."""
    method = method or default_method(pipe)
    make = check_method(method)
    latent = latent.to(pipe.device)
    seen = F.normalize(pipe.encoder.encode_image(pipe.decode(latent)).float(), dim=1)
    if source is None and getattr(pipe.sampler, "bank", None) is None:
        source = pipe.config.neutral_prompt
    words = None if source is None else pipe.embed(source)[None].to(pipe.device)
    request = EditRequest(latent, seen, embedding[None].to(pipe.device), words)
    try:
        change = make(pipe, request, **settings)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise ArgumentError(f"method {method!r} has no such setting: {error}") from None
    return change.float().cpu()


def locked(pipe: FaceModel, change: Tensor, lock: float) -> Tensor:
    """Leave out what is small in a change [1, num_ws, w_dim], axis by axis.

    StyleCLIP's threshold (arXiv 2103.17249, section 6), along the principal axes of latents: a
    change of many axes by a little is the drift of who it is, not what was asked for.
    """
    check_number("lock", lock, 0, 1)
    axes = pipe.latent_axes
    codes = change @ axes.down
    kept = codes.abs() >= lock * codes.abs().amax(dim=-1, keepdim=True)
    return (codes * kept) @ axes.up


def interpolate(pipe: FaceModel, a: FaceLike, b: FaceLike, steps: int = 8) -> list[Face]:
    """Faces on the way from one to another, in equal steps of w, both ends included."""
    check_count("steps", steps, least=2, most=10_000)
    start, end = _found(pipe, a), _found(pipe, b)
    alike = start.noise if start.noise == end.noise else None
    shares = torch.linspace(0, 1, steps)
    between = (torch.lerp(start.latent, end.latent, float(share)) for share in shares)
    return [face_of(pipe, latent, drawn_with=alike) for latent in between]


def mix(pipe: FaceModel, a: FaceLike, b: FaceLike, layers: str | Sequence[int] = "coarse") -> Face:
    """Style mixing (arXiv 1812.04948, section 3.1): face `a` with some layers of `b`.

    Args:
        pipe: The model.
        a: The face to change.
        b: The face that gives layers.
        layers: "coarse" (0 to 3), "middle" (4 to 7), "fine" (8 on), numbers such as "0-3,8", or a
            list of numbers.

    Raises:
        ArgumentError: There are no such layers, or a face is none.
    """
    rows = parse_layers(layers, pipe.generator.num_ws)
    found = _found(pipe, a)
    latent = found.latent.clone()
    latent[:, rows] = latent_of(pipe, b)[:, rows]
    return face_of(pipe, latent, drawn_with=found.noise)


def parse_layers(layers: str | Sequence[int], num_ws: int) -> list[int]:
    """Layers by name (coarse, middle, fine), by ranges such as "0-3,8", or as numbers.

    Raises:
        ArgumentError: There are no such layers.
    """
    thirds = {"coarse": range(min(4, num_ws)), "middle": range(4, min(8, num_ws))}
    thirds["fine"] = range(8, num_ws)
    rows: list[int] = []
    try:
        if isinstance(layers, str):
            for part in layers.split(","):
                name = part.strip()
                if name in thirds:
                    rows += thirds[name]
                else:
                    first, _, last = name.partition("-")
                    rows += range(int(first), int(last or first) + 1)
        else:
            rows = [int(layer) for layer in layers]
    except (ValueError, TypeError):
        rows = []
    if not rows or not all(0 <= row < num_ws for row in rows):
        raise ArgumentError(
            f"layers is {layers!r}, expected coarse, middle, fine or numbers from 0 to "
            f"{num_ws - 1} such as 0-3,8"
        )
    return sorted(set(rows))


@torch.no_grad()
def vary(pipe: FaceModel, face: FaceLike, seed: int = 0, amount: float = 0.3) -> Face:
    """Another face like this one: turned by `amount` (0 to 1) towards that of a seed."""
    check_seed(seed)
    check_number("amount", amount, 0, 1)
    found = _found(pipe, face)
    drawn = noise(seed, pipe.latent_axes.up.shape[0])
    varied = _turned(pipe, found.latent, drawn, amount)
    prompt = face.prompt if isinstance(face, Face) else ""
    wanted = face.embedding if isinstance(face, Face) else None
    return face_of(pipe, varied, prompt, seed, wanted, found.noise)


@torch.no_grad()
def neighbour(
    pipe: FaceModel, face: FaceLike, seed: int, right: int, down: int, amount: float = 0.2
) -> Face:
    """A face beside this one on a map whose two directions a seed draws.

    Args:
        pipe: The model.
        face: The face in the middle.
        seed: Which map.
        right: Steps to the right; less than 0 = to the left.
        down: Steps downwards; less than 0 = upwards.
        amount: The length of a step, 0 to 1, as for `vary`.

    Raises:
        ArgumentError: A number is out of range, or the face is none.
    """
    check_seed(seed)
    check_number("amount", amount, 0, 1)
    found = _found(pipe, face)
    across, along = noise(seed, 2 * pipe.latent_axes.up.shape[0]).view(2, -1)
    steps = math.hypot(right, down)
    way = (right * across + down * along) / max(steps, 1)
    latent = _turned(pipe, found.latent, way, min(amount * steps, 1.0))
    return face_of(pipe, latent, drawn_with=found.noise)


def _turned(pipe: FaceModel, latent: Tensor, drawn: Tensor, amount: float) -> Tensor:
    """A latent w [1, num_ws, w_dim] turned towards the code `drawn`, by 0 to 1 of a right angle."""
    axes = pipe.latent_axes
    code = (latent[:, 0] - axes.mean) @ axes.down
    # On the sphere between the face and another, so that both are as likely.
    turned = math.cos(amount * math.pi / 2) * code + math.sin(amount * math.pi / 2) * drawn
    return latent + ((turned - code) @ axes.up)[:, None] if amount else latent


@torch.no_grad()
def sweep(
    pipe: FaceModel,
    face: FaceLike,
    prompt: str,
    strengths: Sequence[float],
    *,
    method: str | None = None,
    source: str | None = None,
    lock: float = 0.0,
    **settings: Any,
) -> list[Face]:
    """The same edit at several strengths, whose change is found once; see `edit`."""
    if not strengths:
        raise ArgumentError("no strengths; expected at least one number")
    check_number("lock", lock, 0, 1)
    for strength in strengths:
        check_number("strength", strength, -MAX_STRENGTH, MAX_STRENGTH)
    found = _found(pipe, face)
    latent = found.latent
    embedding = pipe.embed(prompt)
    change = change_of(pipe, latent, embedding, method=method, source=source, **settings)
    if lock:
        change = locked(pipe, change, lock)
    seed = face.seed if isinstance(face, Face) else NO_SEED
    faces = (
        face_of(pipe, latent + s * change if s else latent, prompt, seed, embedding, found.noise)
        for s in strengths
    )
    return [replace(face, notes=found.notes) for face in faces]
