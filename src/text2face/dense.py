"""Linear layers with equalised learning rate, their normalisation, and a block of them."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Dense", "ModulatedBlock", "normalize_second_moment"]

_SLOPE: Final = 0.2
_ACTIVATION_GAIN: Final = math.sqrt(2.0)  # keeps the second moment through the leaky ReLU
_EPSILON: Final = 1e-8


def normalize_second_moment(x: Tensor) -> Tensor:
    """Scale each row of x [N, D] to a mean square of one."""
    return x * (x.square().mean(dim=1, keepdim=True) + _EPSILON).rsqrt()


class Dense(nn.Module):
    """A linear layer with equalised learning rate (Karras et al. 2018, section 4.1).

    The weight has unit variance in memory and its He gain is applied at run time, as a gain of the
    input, which is smaller than the weight.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        lr_multiplier: float = 1.0,
        bias: float = 0.0,
        gain: float = 1.0,
        activate: bool = False,
    ) -> None:
        """Make the layer.

        Args:
            in_features: Size of the input.
            out_features: Size of the output.
            lr_multiplier: Speed of learning relative to other layers.
            bias: Starting value of every bias.
            gain: The size of its outputs, for inputs of size 1 and random weights.
            activate: Whether a leaky ReLU with gain √2 follows.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features).mul_(1 / lr_multiplier))
        self.bias = nn.Parameter(torch.full((out_features,), bias / lr_multiplier))
        self.weight_gain = gain * lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_features] → [N, out_features]."""
        bias = self.bias if self.bias_gain == 1 else self.bias * self.bias_gain
        x = F.linear(x * self.weight_gain, self.weight, bias)
        return F.leaky_relu(x, _SLOPE) * _ACTIVATION_GAIN if self.activate else x


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
        out: Tensor = x + self.second(F.leaky_relu(hidden, _SLOPE) * _ACTIVATION_GAIN)
        return out
