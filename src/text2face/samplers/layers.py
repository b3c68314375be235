"""Layers that samplers share."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from text2face.dense import Dense, normalize_second_moment

__all__ = ["ModulatedBlock"]


class ModulatedBlock(nn.Module):
    """x + two layers between which the condition scales and shifts (FiLM, arXiv 1709.07871)."""

    def __init__(self, width: int, condition_width: int) -> None:
        """Make the block."""
        super().__init__()
        self.modulation = Dense(condition_width, 2 * width, gain=0.5)
        self.first = Dense(width, width)
        self.second = Dense(width, width, gain=0.5)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Activations [N, width], condition [N, condition_width] → [N, width]."""
        scale, shift = self.modulation(condition).chunk(2, dim=1)
        hidden = self.first(normalize_second_moment(x)) * (1 + scale) + shift
        out: Tensor = x + self.second(F.leaky_relu(hidden, 0.2) * math.sqrt(2))
        return out
