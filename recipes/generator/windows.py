"""The last resolution in a window: texture is local, and the others take care of the whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from text2face.generators.layers import upsample
from text2face.generators.stylegan2 import Synthesis

CROP, MARGIN = 64, 8  # pixels of the image
# Eyes, mouth, ears, fringe, temples, hair and clothes: shares of the height and of the width.
DETAILS = (
    (0.47, 0.38), (0.47, 0.62), (0.47, 0.38), (0.47, 0.62), (0.68, 0.5), (0.68, 0.5), (0.6, 0.3),
    (0.6, 0.7), (0.2, 0.5), (0.45, 0.2), (0.45, 0.8), (0.7, 0.2), (0.7, 0.8), (0.9, 0.5),
)  # fmt: skip


class Window(NamedTuple):
    """A square of `CROP` pixels of the image; `top` and `left` are even."""

    top: int
    left: int

    @classmethod
    def draw(cls, step: int, size: int) -> Window:
        """Another one for each step, often at the border, which others do not reach."""
        places = np.random.default_rng([2, step]).integers(-CROP // 4, size - CROP * 3 // 4, 2)
        return cls(*(int(place) // 2 * 2 for place in places.clip(0, size - CROP)))

    @classmethod
    def draw_detail(cls, step: int, size: int) -> Window:
        """A window on an eye, the mouth, or where hair ends; another one for each step."""
        random = np.random.default_rng([5, step])
        down, across = DETAILS[random.integers(len(DETAILS))]
        centre = np.array([down, across]) * size + random.uniform(-0.05, 0.05, 2) * size
        places = (centre - CROP / 2).clip(0, size - CROP)
        return cls(*(int(place) // 2 * 2 for place in places))

    def cut(self, image: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, CROP, CROP]."""
        return image[..., self.top : self.top + CROP, self.left : self.left + CROP]

    def paste(self, inside: Tensor, around: Tensor) -> Tensor:
        """A whole image [N, C, H, W]: the window, and around it an image at half the resolution."""
        image = F.interpolate(around, scale_factor=2, mode="bilinear").clone()
        self.cut(image).copy_(inside)
        return image

    def draw_from(
        self, synthesis: Synthesis, x: Tensor, image: Tensor, w: Tensor, noise_mode: str = "none"
    ) -> Tensor:
        """What the last block adds to the activation and the image before it, inside the window.

        Its context is `MARGIN` pixels, more than the block's three filters reach.
        """
        size = x.shape[-1]
        down, right = (slice(max(0, (a - MARGIN) // 2), (a + CROP + MARGIN) // 2) for a in self)
        block = synthesis.blocks[-1]
        _, added = block(x[..., down, right], w[:, -3:], noise_mode)
        rows, columns = (slice(2 * c.start, 2 * min(c.stop, size)) for c in (down, right))
        drawn: Tensor = upsample(image)[..., rows, columns] + added
        top, left = self.top - rows.start, self.left - columns.start
        return drawn[..., top : top + CROP, left : left + CROP]
