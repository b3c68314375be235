"""The record of an edited picture, and the latent that a record gives.

A drawn face carries its prompt, seed and settings, from which its latent is drawn again without an
image. An edited one carries the latent itself, beside the list of what was done.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import text2face
from text2face import provenance
from text2face.checks import check_count
from text2face.errors import ArgumentError, Text2FaceError
from text2face.faces import CONST_NOISE, Noise, to_pil
from text2face.provenance import pixels
from text2face.provenance.record import record_from_json
from text2face.settings import Settings, check_seed

if TYPE_CHECKING:
    from text2face.model import FaceModel

__all__ = [
    "RecordedLatent",
    "describe_edited",
    "latent_from_record",
    "pack",
    "recorded_latent",
    "unpack",
    "write_edited",
]


def pack(latent: Tensor) -> dict[str, Any]:
    """A latent w [num_ws, w_dim] as JSON: float32 in base64, equal rows once."""
    latent = latent.detach().float().cpu()
    rows = latent[:1] if bool((latent == latent[:1]).all()) else latent
    values = base64.b64encode(rows.contiguous().numpy().tobytes()).decode()
    return {"shape": list(latent.shape), "float32": values}


def unpack(content: Mapping[str, Any]) -> Tensor:
    """The inverse of `pack`: w [num_ws, w_dim].

    Raises:
        ArgumentError: The content is damaged.
    """
    try:
        num_ws, w_dim = content["shape"]
        # Of a stranger's file: sizes are held against what generators have before they cost memory.
        check_count("num_ws", num_ws, most=1024)
        check_count("w_dim", w_dim, most=2**16)
        raw = base64.b64decode(content["float32"], validate=True)
        rows = torch.from_numpy(np.frombuffer(raw, "<f4").reshape(-1, w_dim).copy())
        if len(rows) not in (1, num_ws) or not bool(rows.isfinite().all()):
            raise ValueError("wrong number of rows")
        return rows.expand(num_ws, -1).contiguous()
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentError(
            f"the latent in the picture is damaged ({error}); expected what text2face wrote"
        ) from None


@dataclass(frozen=True)
class RecordedLatent:
    """What a picture's record is good for."""

    latent: Tensor | None = None
    """w [1, num_ws, w_dim] of a picture that these weights made; None of any other."""
    noise: Noise = CONST_NOISE
    """The noise inputs that it was drawn with."""
    changed: bool = False
    """Whether these weights made a picture which another program has changed since."""


def recorded_latent(pipe: FaceModel, image: Image.Image) -> Tensor | None:
    """The latent w [1, num_ws, w_dim] of a picture that these weights made; None of any other."""
    return latent_from_record(pipe, image).latent


def latent_from_record(pipe: FaceModel, image: Image.Image) -> RecordedLatent:
    """What a picture says about its latent, if it is still the picture that its record speaks of.

    A record of before version 0.2 keeps no sum of the pixels; its face is drawn and compared.
    """
    content = provenance.embedded_json(image)
    if content is None or content.get("weights") != pipe.weights or pipe.weights is None:
        return RecordedLatent()
    same = pixels.matches(content.get("pixels"), image)
    if same is False:
        return RecordedLatent(changed=True)
    noise = Noise()
    try:
        if "latent" in content:
            latent = unpack(content["latent"])[None]
            noise = Noise(*content.get("noise", ()))
            Settings(noise_mode=noise.mode)
            check_seed(noise.seed)
        elif content.get("process") is not None or "contact_sheet" in content:
            return RecordedLatent()  # changed since it was drawn, or several
        else:
            record = record_from_json(content)
            embedding = pipe.embed(record.prompt, record.settings)
            latent = pipe.latents(embedding[None], [record.seed], record.settings)
            noise = Noise(record.settings.noise_mode, record.seed)
    except (ValueError, KeyError, TypeError, Text2FaceError):  # damaged, or of another version
        return RecordedLatent()
    if same is None:
        drawn = to_pil(pipe.decode(latent, noise.mode, seed=noise.seed))[0]
        if not pixels.same(drawn, image):
            return RecordedLatent(changed=True)
    return RecordedLatent(latent, noise)


def write_edited(
    path: Path,
    image: Image.Image | Sequence[Image.Image],
    pipe: FaceModel,
    steps: Sequence[Mapping[str, Any]],
    latent: Tensor | None = None,
    *,
    noise: Noise | None = None,
    fps: int = 12,
    sign: provenance.Signer | None = None,
    overwrite: bool = True,
) -> None:
    """Save a picture with what was done to make it, whole or not at all.

    Args:
        path: Its name tells the format.
        image: The picture; or the frames of a moving one, as GIF or WebP.
        pipe: What made it.
        steps: What was done, first to last, as JSON values.
        latent: w [num_ws, w_dim] of the picture; None for several.
        noise: The noise inputs of the picture; None = "const".
        fps: Frames in a second.
        sign: Adds Content Credentials.
        overwrite: Whether it may take the place of a file.

    Raises:
        ArgumentError: The format is unknown.
        OutputError: It cannot be written, or is there already and may not be overwritten.
    """
    parameters, content = describe_edited(pipe, steps, latent, noise)
    provenance.write_edited(
        path, image, parameters, content, fps=fps, sign=sign, overwrite=overwrite
    )


def describe_edited(
    pipe: FaceModel,
    steps: Sequence[Mapping[str, Any]],
    latent: Tensor | None = None,
    noise: Noise | None = None,
) -> tuple[str, dict[str, Any]]:
    """What an edited picture says about its making: as text, and as the JSON object of its file.

    Args:
        pipe: What made it.
        steps: What was done, first to last, as JSON values.
        latent: w [num_ws, w_dim] of the picture; None for several.
        noise: The noise inputs of the picture; None = "const".
    """
    content: dict[str, Any] = {
        "edited": list(steps),
        "model": pipe.config.name,
        "weights": pipe.weights,
        "version": text2face.__version__,
    }
    if latent is not None:
        content["latent"] = pack(latent)
        if noise is not None and noise.mode != "const":
            content["noise"] = list(noise)
    parameters = "; ".join(" ".join(f"{k} {v}" for k, v in step.items()) for step in steps)
    return parameters, content
