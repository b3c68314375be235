"""Finding the latent of a picture.

Whether a picture is an aligned face is told by how well the inversion reproduces it. `likeness` is
the correlation of what is finer than a quarter of the side. Measured on the bundled model:

- 24 faces of the generator 0.92 to 0.99, mirrored and as JPEG of quality 50 0.89 to 0.98
- 200 renders that it has not seen 0.74 to 0.98
- the generator's faces off their place: by a tenth 0.81 to 0.98, by 15 % of the side 0.43 to 0.74,
  turned by 20° 0.36 to 0.65, small on black 0.52 to 0.73; upside down 0.33 to 0.84
- photos of one person, aligned by hand: 0.57 to 0.81
- 25 pictures of other things (a cat, a cup, bricks, a camera, the moon …): 0.00 to 0.64
- screenshots 0.27 to 0.49, landscapes 0.16, gradients 0.35 to 0.57, noise 0.01 to 0.36
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from text2face.editing.records import latent_from_record
from text2face.errors import ArgumentError, InversionError
from text2face.faces import CONST_NOISE, Noise, to_tensor
from text2face.inversion.align import LEAST_SIDE
from text2face.pictures import to_rgb

if TYPE_CHECKING:
    from text2face.model import FaceModel

__all__ = ["Found", "check_aligned_shape", "find_latent", "likeness"]

LEAST_LIKENESS: Final = 0.72
"""Less than this, and the picture is no face, not aligned, or none that the model can draw."""
MOST_STRETCH: Final = 1.1
"""An aligned face is square; a tenth more is not seen."""
_SIDE, _COARSE = 32, 4
_NOTHING: Final = 1e-4


@dataclass(frozen=True)
class Found:
    """The latent of a picture."""

    latent: Tensor
    """w [1, num_ws, w_dim], float32 on the CPU."""
    notes: tuple[str, ...] = ()
    """What the user should know, a sentence each."""
    noise: Noise = CONST_NOISE
    """The noise inputs that it was drawn with."""
    recorded: bool = False
    """Whether it comes from the record of a picture that these weights made."""


@torch.no_grad()
def find_latent(pipe: FaceModel, image: Image.Image | Tensor, name: str = "the picture") -> Found:
    """Find the latent of a picture.

    That of a picture that these weights made, and that nobody changed since, is drawn again from
    what it says about itself; any other goes through the inversion encoder.

    Args:
        pipe: The model.
        image: A picture, or an image [1, 3, H, W] in [-1, 1]; a photo needs to be aligned first
            (`text2face.inversion.align`).
        name: What notes and errors call it.

    Raises:
        InversionError: The model has no inversion encoder, or the picture is not square or too
            small.
        ArgumentError: It is no image.
    """
    notes: list[str] = []
    if isinstance(image, Image.Image):
        if image.info.get("c2pa"):
            notes.append(
                f"the Content Credentials of {name} are left out: they do not hold for a picture "
                "made from it; sign that anew (--c2pa)"
            )
        picture = to_rgb(image, name)
        recorded = latent_from_record(pipe, picture)
        if recorded.latent is not None:
            latent = pipe.checked_latents(recorded.latent).float().cpu()
            return Found(latent, tuple(notes), recorded.noise, recorded=True)
        if recorded.changed:
            notes.append(
                f"{name} is not what its record draws, another program changed it; the picture as "
                "it is goes through the inversion encoder"
            )
        pixels = to_tensor(picture)
    else:
        pixels = image[None] if image.ndim == 3 else image
        if pixels.ndim != 4 or pixels.shape[:2] != (1, 3) or 0 in pixels.shape:
            raise ArgumentError(
                f"the image is {list(image.shape)}, expected [1, 3, H, W] in [-1, 1] or a picture"
            )
    if pipe.inverter is None:
        raise InversionError(
            f"the model {pipe.config.name} has no inversion encoder, and the picture does not say "
            "how this model made it; expected a folder inversion/ in the model; train one with "
            "`text2face train --task inversion`, or pass a picture that this model drew"
        )
    height, width = pixels.shape[-2:]
    check_aligned_shape(width, height, name, min(LEAST_SIDE, pipe.generator.img_resolution))
    pixels = pixels.to(pipe.device)
    latent = pipe.inverter.encode(pixels).float().cpu()
    alike = likeness(pixels, pipe.decode(latent))
    if alike < LEAST_LIKENESS:
        notes.append(
            f"the face that was found for {name} is little like it (likeness {alike:.2f}, expected "
            f"{LEAST_LIKENESS} to 1): no face, none that this model draws, or not aligned; "
            "--align or --points align a photo"
        )
    return Found(latent, tuple(notes))


def check_aligned_shape(
    width: int, height: int, name: str = "the picture", least: int = LEAST_SIDE
) -> None:
    """See that a picture has the shape of an aligned face.

    Raises:
        InversionError: It is not square, or too small.
    """
    if min(width, height) < least:
        raise InversionError(
            f"{name} is {width}×{height}, expected at least {least} pixels a side; use a larger "
            "picture of the face"
        )
    if max(width, height) > MOST_STRETCH * min(width, height):
        raise InversionError(
            f"{name} is {width}×{height}, an aligned face is square; add --align or --points, or "
            "cut the face out"
        )


def likeness(first: Tensor, second: Tensor) -> float:
    """How like two images [1, 3, H, W] are in what is neither coarse nor fine, at most 1.

    It is the correlation at 32×32 pixels, without what is seen at 4×4: smooth pictures are like
    each other otherwise. It is 0 where one of them shows nothing.
    """
    a, b = (_detail(image) for image in (first, second))
    spread = float(a.norm() * b.norm())
    return float(a @ b) / spread if spread > _NOTHING * len(a) else 0.0


def _detail(image: Tensor) -> Tensor:
    small = F.interpolate(image.float(), (_SIDE, _SIDE), mode="area")
    coarse = F.interpolate(small, (_COARSE, _COARSE), mode="area")
    detail = small - F.interpolate(coarse, (_SIDE, _SIDE), mode="bilinear")
    return (detail - detail.mean()).flatten()
