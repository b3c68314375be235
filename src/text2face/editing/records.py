"""What an edited picture says about its making, and the latent of a picture that we made.

A drawn face carries its prompt, seed and settings, from which its latent is drawn again without an
image. An edited one carries the latent itself, beside the list of what was done.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import text2face
from text2face import provenance
from text2face.errors import ArgumentError
from text2face.settings import Settings

if TYPE_CHECKING:
    from text2face.pipeline import TextToFace

__all__ = ["pack", "recall", "unpack", "write_edited"]


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
        raw = base64.b64decode(content["float32"], validate=True)
        rows = torch.from_numpy(np.frombuffer(raw, "<f4").reshape(-1, w_dim).copy())
        if len(rows) not in (1, num_ws) or not bool(rows.isfinite().all()):
            raise ValueError("wrong number of rows")
        return rows.expand(num_ws, -1).contiguous()
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentError(
            f"the latent in the picture is damaged ({error}); expected what text2face wrote"
        ) from None


def recall(pipe: TextToFace, image: Image.Image) -> Tensor | None:
    """The latent w [1, num_ws, w_dim] of a picture that these weights made; None of any other."""
    content = provenance.told_by(image)
    if content is None or content.get("weights") != pipe.weights or pipe.weights is None:
        return None
    if "latent" in content:
        return unpack(content["latent"])[None]
    if content.get("process") is not None:  # changed since it was drawn
        return None
    try:
        settings = Settings(**content["settings"])
        embedding = pipe.embed(content["prompt"], settings)
        return pipe.latents(embedding[None], [content["seed"]], settings)
    except (KeyError, TypeError):  # the record of another version, or a contact sheet
        return None


def write_edited(
    path: Path,
    image: Image.Image,
    pipe: TextToFace,
    steps: Sequence[Mapping[str, Any]],
    latent: Tensor | None = None,
) -> None:
    """Save a picture with what was done to make it, whole or not at all.

    Args:
        path: Its name tells the format.
        image: The picture.
        pipe: What made it.
        steps: What was done, first to last, as JSON values.
        latent: w [num_ws, w_dim] of the picture; None for a sheet of several.

    Raises:
        ArgumentError: The format is unknown.
        OutputError: It cannot be written.
    """
    content: dict[str, Any] = {
        "edited": list(steps),
        "model": pipe.config.name,
        "weights": pipe.weights,
        "version": text2face.__version__,
    }
    if latent is not None:
        content["latent"] = pack(latent)
    told = "; ".join(" ".join(f"{k} {v}" for k, v in step.items()) for step in steps)
    provenance.write_edited(path, image, told, content)
