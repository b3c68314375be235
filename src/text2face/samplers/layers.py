"""Layers that samplers share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["EqualizedLinear", "ModulatedBlock", "pixel_norm"]


class EqualizedLinear(nn.Module):
    """A linear layer with equalised learning rate; a leaky ReLU with gain √2 may follow."""

    def __init__(self, inputs: int, outputs: int, *, activate: bool = False, gain: float = 1.0):
        """Make the layer with random weights, whose outputs have the size of its inputs."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = gain / math.sqrt(inputs)
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs] → [N, outputs]."""
        x = F.linear(x, self.weight * self.gain, self.bias)
        return F.leaky_relu(x, 0.2) * math.sqrt(2) if self.activate else x


def pixel_norm(x: Tensor) -> Tensor:
    """Scale the rows of x [N, D] to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class ModulatedBlock(nn.Module):
    """x + two layers between which the condition scales and shifts (FiLM, arXiv 1709.07871)."""

    def __init__(self, width: int, condition_width: int) -> None:
        """Make the block."""
        super().__init__()
        self.modulation = EqualizedLinear(condition_width, 2 * width, gain=0.5)
        self.first = EqualizedLinear(width, width)
        self.second = EqualizedLinear(width, width, gain=0.5)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Activations [N, width], condition [N, condition_width] → [N, width]."""
        scale, shift = self.modulation(condition).chunk(2, dim=1)
        hidden = self.first(pixel_norm(x)) * (1 + scale) + shift
        out: Tensor = x + self.second(F.leaky_relu(hidden, 0.2) * math.sqrt(2))
        return out
