"""How differently the text-image encoder sees two images (arXiv 1603.08155, on an encoder of ours).

What a face shows (a smile, wrinkles, a goatee) takes up few pixels, and the absolute error hardly
counts it. The encoder was trained to read just that; the judge takes no part.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.encoders.compact import CompactEncoder
from text2face.precision import autocast

_REACH = 3  # pixels of the random shift, which keeps patterns from hiding in the encoder's patches


class Perception(nn.Module):
    """The encoder's image tower, frozen."""

    def __init__(self, encoder: CompactEncoder) -> None:
        super().__init__()
        self.size = encoder.config.image_size
        self.tower = encoder.image.eval().requires_grad_(False)
        self.tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def from_pretrained(cls, folder: Path) -> Perception:
        return cls(CompactEncoder.from_pretrained(folder))

    @property
    def channels(self) -> list[int]:
        """The channels of each activation that `look` returns."""
        with torch.no_grad():
            size = self.size
            return [x.shape[1] for x in self.look(torch.zeros(1, 3, size, size), step=0)[:-1]]

    def look(self, image: Tensor, step: int) -> list[Tensor]:
        """What the tower sees in images [N, 3, H, W] in [-1, 1] of any size; differentiable.

        Args:
            image: The images.
            step: Chooses the shift.

        Returns:
            The activations of its layers [N, C, h, w], largest first, and the embedding [N, D].
        """
        shift = np.random.default_rng([3, step]).integers(-_REACH, _REACH + 1, 2).tolist()
        x = image.clamp(-1, 1)
        if x.shape[-1] != self.size:
            x = F.interpolate(x, (self.size, self.size), mode="bilinear")
        x = torch.roll(x, shift, dims=(2, 3)).contiguous(memory_format=torch.channels_last)
        seen = []
        with autocast(image.device):
            for layer in self.tower.trunk:
                x = layer(x)
                if not isinstance(layer, nn.PixelUnshuffle):
                    seen.append(x)
            seen.append(self.tower.out(x.flatten(1)))
        return [x.float() for x in seen]

    def compare(
        self, image: Tensor, wanted: Tensor, step: int
    ) -> tuple[list[Tensor], list[Tensor]]:
        """What the tower sees in each; only the first is differentiable."""
        with torch.no_grad():
            shown = self.look(wanted, step)
        return self.look(image, step), shown


def difference(seen: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """The relative differences of activations, and the embeddings' 1 - cosine; see `look`."""
    losses = [
        (a - b).abs().mean() / b.abs().mean() for a, b in zip(seen[:-1], wanted[:-1], strict=True)
    ]
    angle = 1 - F.cosine_similarity(seen[-1], wanted[-1]).mean()
    return torch.stack([*losses, 4 * angle]).sum()
