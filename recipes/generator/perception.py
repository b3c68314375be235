"""How differently the text-image encoder sees two images (arXiv 1603.08155, on an encoder of ours).

What a face shows (a smile, wrinkles, a goatee) takes up few pixels, and the absolute error hardly
counts it. The encoder was trained to read just that; the judge takes no part.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.encoders.compact import CompactEncoder

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

    def forward(self, image: Tensor, real: Tensor, step: int) -> Tensor:
        """The relative differences of the activations, and the embeddings' 1 - cosine.

        Args:
            image: [N, 3, H, W] in [-1, 1], any size; differentiable.
            real: The same of what it should be.
            step: Chooses the shift.
        """
        shift = np.random.default_rng([3, step]).integers(-_REACH, _REACH + 1, 2).tolist()
        with torch.autocast(image.device.type, torch.bfloat16):
            seen = self._look(image, shift)
            with torch.no_grad():
                wanted = self._look(real, shift)
        losses = [
            (a.float() - b.float()).abs().mean() / b.float().abs().mean()
            for a, b in zip(seen[:-1], wanted[:-1], strict=True)
        ]
        angle = 1 - F.cosine_similarity(seen[-1].float(), wanted[-1].float()).mean()
        return torch.stack([*losses, 4 * angle]).sum()

    def _look(self, image: Tensor, shift: list[int]) -> list[Tensor]:
        x = image.clamp(-1, 1)
        if x.shape[-1] != self.size:
            x = F.interpolate(x, (self.size, self.size), mode="bilinear")
        x = torch.roll(x, shift, dims=(2, 3)).contiguous(memory_format=torch.channels_last)
        seen = []
        for layer in cast("nn.Sequential", self.tower.trunk):
            x = layer(x)
            if not isinstance(layer, nn.PixelUnshuffle):
                seen.append(x)
        return [*seen, self.tower.out(x.flatten(1))]
