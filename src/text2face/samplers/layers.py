"""Layers that samplers share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["EqualizedLinear", "pixel_norm"]


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
