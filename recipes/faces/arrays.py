"""The array types used throughout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Texels = NDArray[np.uint8]
Arrays = dict[str, NDArray[Any]]


def smoothstep(low: float, high: float, x: Floats) -> Floats:
    """0 up to `low`, 1 from `high` on, and a smooth cubic between them; falls where low > high."""
    t: Floats = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
