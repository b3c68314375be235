"""FFHQ's alignment of a face (Karras et al. 2019, arXiv 1812.04948, appendix C), in torch.

Eyes and mouth span an upright square; the picture within it becomes the aligned one. The warp is
differentiable, in the picture and in the landmarks. Landmarks come from the user or a detector,
such as that of `text2face.inversion.landmarks`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from text2face.errors import ArgumentError, InversionError
from text2face.faces import to_pil, to_tensor

__all__ = [
    "Aligned",
    "LandmarkDetector",
    "align",
    "align_photo",
    "align_picture",
    "parse_points",
    "square",
]

LEAST_SIDE: Final = 32
"""A face whose square has fewer pixels a side cannot be made out."""
MOST_PROFILE: Final = 3.0
"""The eyes lie this much nearer to each other than to the mouth in a profile."""
_MAX_SAMPLES: Final = 8


class LandmarkDetector(Protocol):
    """Finds faces in a picture."""

    def __call__(self, picture: Image.Image) -> Sequence[Tensor]:
        """The landmarks of each face in pixels (x, y): [5, 2] or [68, 2].

        Five points are left eye, right eye, nose, left and right corner of the mouth, as seen;
        68 are those of dlib.
        """
        ...


@dataclass(frozen=True)
class Aligned:
    """An aligned face."""

    picture: Image.Image
    points: Tensor
    """Its landmarks in the picture that it was found in."""
    note: str
    """What the user should know, such as that there were several faces; or empty."""


def square(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The square of a face.

    Args:
        points: Landmarks in pixels (x, y), [5, 2] or [68, 2].

    Returns:
        Its centre [2], and half of its upper side and of its left side as vectors [2].

    Raises:
        ArgumentError: There are neither 5 nor 68 points, or not finite ones.
    """
    if points.shape not in ((5, 2), (68, 2)) or not bool(points.isfinite().all()):
        raise ArgumentError(
            f"the landmarks are {list(points.shape)}, expected 5 or 68 finite points (x, y)"
        )
    points = points.float()
    if len(points) == 68:
        left, right = points[36:42].mean(dim=0), points[42:48].mean(dim=0)
        mouth = (points[48] + points[54]) / 2
    else:
        left, right = points[0], points[1]
        mouth = (points[3] + points[4]) / 2
    eyes, across = (left + right) / 2, right - left
    down = mouth - eyes
    # Half the sum of the eyes' line and the line to the mouth turned by 90°: both say what is up.
    side = across - down.flip(0) * down.new_tensor([-1.0, 1.0])
    length = torch.maximum(across.norm() * 2.0, down.norm() * 1.8)
    x = side / side.norm().clamp(min=1e-6) * length
    y = x.flip(0) * x.new_tensor([-1.0, 1.0])
    return eyes + down * 0.1, x, y


def align(image: Tensor, points: Tensor, size: int) -> Tensor:
    """Cut the square of a face out of an image; differentiable.

    Outside the image its mirror image is seen. Where the square is larger than `size`, several
    samples are averaged for each pixel.

    Args:
        image: [1, 3, H, W].
        points: See `square`.
        size: Of the result.

    Returns:
        [1, 3, size, size].

    Raises:
        ArgumentError: The image or the landmarks have another shape.
        InversionError: The face is too small, in profile, or outside the image.
    """
    if image.ndim != 4 or len(image) != 1:
        raise ArgumentError(f"the image is {list(image.shape)}, expected [1, 3, H, W]")
    centre, x, y = square(points.to(image.device))
    height, width = image.shape[-2:]
    _check(points.detach().cpu().float(), centre.detach(), float(x.detach().norm()), width, height)
    samples = min(max(math.ceil(float(2 * x.detach().norm()) / size), 1), _MAX_SAMPLES)
    steps = (torch.arange(size * samples, device=image.device) + 0.5) / (size * samples) * 2 - 1
    places = centre + steps[None, :, None] * x + steps[:, None, None] * y
    scale = places.new_tensor([2 / width, 2 / height])
    grid = ((places + 0.5) * scale - 1)[None]
    warped = F.grid_sample(
        image.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return F.avg_pool2d(warped, samples) if samples > 1 else warped


def _check(points: Tensor, centre: Tensor, half: float, width: int, height: int) -> None:
    if 2 * half < LEAST_SIDE:
        raise InversionError(
            f"the face is {2 * half:.0f} pixels wide, expected at least {LEAST_SIDE}; use a larger "
            "picture of it"
        )
    inside = (points >= 0) & (points <= points.new_tensor([width, height]))
    if not bool(inside.all(dim=1).float().mean() >= 0.5):
        raise InversionError(
            f"most landmarks lie outside the picture of {width}×{height}; expected pixels (x, y), "
            "counted from the upper left corner after the rotation that EXIF asks for"
        )
    eyes = points[:2] if len(points) == 5 else torch.stack([points[36:42].mean(0), points[45]])
    mouth = points[3:5].mean(0) if len(points) == 5 else points[[48, 54]].mean(0)
    across, down = float((eyes[1] - eyes[0]).norm()), float((mouth - eyes.mean(0)).norm())
    if across * MOST_PROFILE < down:
        raise InversionError(
            "the face is seen in profile: the eyes are much nearer to each other than to the "
            "mouth; expected a face that looks at the camera"
        )


def align_picture(picture: Image.Image, points: Tensor, size: int) -> Image.Image:
    """Cut the square of a face out of a picture; see `align`."""
    return to_pil(align(to_tensor(picture), points, size))[0]


def align_photo(picture: Image.Image, detector: LandmarkDetector, size: int) -> Aligned:
    """Find the largest face in a picture and align it.

    Raises:
        InversionError: There is no face, or it is too small or in profile.
    """
    faces = [torch.as_tensor(points).float() for points in detector(picture)]
    if not faces:
        raise InversionError(
            "no face in the picture; expected one that looks at the camera; turn the picture "
            "upright, or give its landmarks"
        )
    largest = max(faces, key=lambda points: float(square(points)[1].norm()))
    others = len(faces) - 1
    note = f"{len(faces)} faces in the picture, the largest was taken" if others else ""
    return Aligned(align_picture(picture, largest, size), largest, note)


def parse_points(text: str) -> Tensor:
    """Read landmarks such as "30,40 70,41 50,60 35,80 66,80".

    Raises:
        ArgumentError: They are not 5 or 68 pairs of numbers.
    """
    try:
        points = torch.tensor([[float(x) for x in part.split(",")] for part in text.split()])
    except ValueError:
        points = torch.zeros(0)
    if points.shape not in ((5, 2), (68, 2)):
        raise ArgumentError(
            f"--points is {text[:60]!r}, expected 5 or 68 points x,y with spaces between; five are "
            "left eye, right eye, nose, left and right corner of the mouth"
        )
    return points
