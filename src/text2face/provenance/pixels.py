"""Whether a picture has changed since its record was written.

Other programs carry a record along when they mirror, crop or paint over a picture. So the record
holds the mean colours of cells of about 8×8 pixels, and how far pixels are from that mean. They
stay nearly the same when a picture is saved again by another program or scaled, and not when it is
changed.

Measured on 24 faces of 128×128 pixels (of 255: the farthest cell's colour, the mean over the cells,
the farthest cell's detail):

- JPEG and WebP of quality 50, JPEG twice: 6 to 11, 1.1 to 1.6, 2 to 7
- scaled by 1.5 to 4: 1 to 3, 0.1 to 0.5, 1 to 7; by 0.5: 1 to 3, 0.4, 2 to 20
- mirrored: 40 to 186, 7 to 38; shifted by one pixel: 18 to 31, 2.2 to 3.9; turned by 2°: 32 to 65
- a dot of 5 pixels: 24 to 45; lips painted over: 19 to 61; brighter by 5: mean 5.0
- blurred by 2 pixels: detail 15 to 44; eyes in blocks of 8 pixels: 14 to 64

Not noticed: a dot of one or two pixels, a slight blur or sharpening, a change of less than 1 % in
brightness. What another program saves with JPEG quality 30 or less passes for changed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from PIL import Image, ImageChops

from text2face.pictures import to_rgb

__all__ = ["matches", "same", "summary"]

_CELL: Final = 8
_MAX_CELLS: Final = 32
_MAX_COLOUR: Final = 12
_MAX_MEAN: Final = 1.75
_MAX_DETAIL: Final = 9
_MAX_DETAIL_SMALL: Final = 24
"""The limit of detail for a picture that is smaller than it was."""
_STRETCH: Final = 0.02


def summary(image: Image.Image) -> dict[str, Any]:
    """What a file keeps about its pixels: size, colours and detail of cells, as JSON."""
    picture = to_rgb(image)
    cells = [min(max(side // _CELL, 1), _MAX_CELLS) for side in picture.size]
    return {
        "size": list(picture.size),
        "cells": cells,
        "rgb": base64.b64encode(_means(picture, cells[0], cells[1])).decode(),
        "detail": base64.b64encode(_detail(picture, cells[0], cells[1])).decode(),
    }


def matches(stored: object, image: Image.Image) -> bool | None:
    """Whether a picture is the one that `summary` was made of; None = unknown."""
    if not isinstance(stored, Mapping):
        return None
    try:
        (width, height), (across, down) = stored["size"], stored["cells"]
        means = base64.b64decode(stored["rgb"], validate=True)
        detail = base64.b64decode(stored["detail"], validate=True)
        sane = all(type(n) is int and n > 0 for n in (width, height, across, down))
        if not sane or max(across, down) > _MAX_CELLS:
            return None
        if (len(means), len(detail)) != (3 * across * down, across * down):
            return None
    except (KeyError, TypeError, ValueError):
        return None
    picture = to_rgb(image)
    stretch = picture.width * height / (picture.height * width)
    # A pixel more or less, as programs round when they scale.
    slack = _STRETCH + 1 / min(picture.size)
    if not 1 / (1 + slack) <= stretch <= 1 + slack:
        return False
    differences = [abs(a - b) for a, b in zip(means, _means(picture, across, down), strict=True)]
    lost = [abs(a - b) for a, b in zip(detail, _detail(picture, across, down), strict=True)]
    most = _MAX_DETAIL if picture.width >= 0.9 * width else _MAX_DETAIL_SMALL
    mean = sum(differences) / len(differences)
    return max(differences) <= _MAX_COLOUR and mean <= _MAX_MEAN and max(lost) <= most


def same(first: Image.Image, second: Image.Image) -> bool:
    """Whether two pictures are the same but for what saving and scaling lose."""
    return matches(summary(first), second) is True


def _means(picture: Image.Image, across: int, down: int) -> bytes:
    return picture.resize((across, down), Image.Resampling.BOX).tobytes()


def _detail(picture: Image.Image, across: int, down: int) -> bytes:
    """How far the pixels of each cell are from its mean, in grey, on average."""
    size = (across * _CELL, down * _CELL)
    grey = picture.convert("L").resize(size, Image.Resampling.BOX)
    coarse = grey.resize((across, down), Image.Resampling.BOX)
    differences = ImageChops.difference(grey, coarse.resize(size, Image.Resampling.NEAREST))
    return differences.resize((across, down), Image.Resampling.BOX).tobytes()
