"""Whether a picture is still the one that its record speaks of.

Other programs carry a record along when they mirror, crop or paint over a picture. So the record
holds the mean colours of cells of about 8×8 pixels. They stay nearly the same when a picture is
saved again by another program or scaled, and not when it is changed.

Measured on 24 faces of 128×128 pixels (the farthest cell, and the mean over the cells, of 255):

- JPEG and WebP of quality 50, JPEG twice: 6 to 11, 1.1 to 1.6; scaled by 0.5 to 4: 1 to 3, 0.4
- mirrored: 40 to 186, 7 to 38; shifted by one pixel: 18 to 31, 2.2 to 3.9; turned by 2°: 32 to 65
- a dot of 5 pixels: 24 to 45; lips painted over: 19 to 61; brighter by 5: mean 5.0

Not noticed: a dot of one or two pixels, a slight blur, a change of less than 1 % in brightness. A
picture saved with JPEG quality 30 or less by another program passes for a changed one.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from PIL import Image

from text2face.pictures import to_rgb

__all__ = ["agrees", "alike", "summary"]

_CELL: Final = 8
_MOST: Final = 32
_FARTHEST: Final = 12
_MEAN: Final = 1.75
_STRETCH: Final = 0.02


def summary(image: Image.Image) -> dict[str, Any]:
    """What a file keeps about its pixels: their size, and the mean colours of cells, as JSON."""
    picture = to_rgb(image)
    cells = [min(max(side // _CELL, 1), _MOST) for side in picture.size]
    return {
        "size": list(picture.size),
        "cells": cells,
        "rgb": base64.b64encode(_means(picture, cells[0], cells[1])).decode(),
    }


def agrees(told: object, image: Image.Image) -> bool | None:
    """Whether a picture is the one that `summary` was made of; None = that cannot be told."""
    if not isinstance(told, Mapping):
        return None
    try:
        (width, height), (across, down) = told["size"], told["cells"]
        means = base64.b64decode(told["rgb"], validate=True)
        sane = all(type(n) is int and n > 0 for n in (width, height, across, down))
        if not sane or max(across, down) > _MOST or len(means) != 3 * across * down:
            return None
    except (KeyError, TypeError, ValueError):
        return None
    picture = to_rgb(image)
    stretch = picture.width * height / (picture.height * width)
    # A pixel more or less, as programs round when they scale.
    slack = _STRETCH + 1 / min(picture.size)
    if not 1 / (1 + slack) <= stretch <= 1 + slack:
        return False
    apart = [abs(a - b) for a, b in zip(means, _means(picture, across, down), strict=True)]
    return max(apart) <= _FARTHEST and sum(apart) / len(apart) <= _MEAN


def alike(first: Image.Image, second: Image.Image) -> bool:
    """Whether two pictures are the same but for what saving and scaling lose."""
    return agrees(summary(first), second) is True


def _means(picture: Image.Image, across: int, down: int) -> bytes:
    return picture.resize((across, down), Image.Resampling.BOX).tobytes()
