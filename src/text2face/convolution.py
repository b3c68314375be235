"""Layers of the small convolutional networks."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Residual", "convolution", "trunk"]


class Residual(nn.Module):
    """x + two convolutions (He et al., 2015, arXiv 1512.03385)."""

    def __init__(self, channels: int) -> None:
        """Make the layers."""
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N, channels, H, W] → the same shape."""
        hidden = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(hidden)))


def convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """A 3×3 convolution, normalised and activated."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def trunk(resolution: int, width: int, outputs: int, patch: int = 4) -> nn.Sequential:
    """Images [N, 3, resolution, resolution] → features [N, outputs].

    The first layer reads patches, whose side times eight divides the resolution. The last one sees
    places apart, since a hat and a beard differ by where they are.
    """
    return nn.Sequential(
        nn.PixelUnshuffle(patch),
        convolution(3 * patch * patch, width, 1),
        Residual(width),
        convolution(width, 2 * width, 2),
        Residual(2 * width),
        convolution(2 * width, 4 * width, 2),
        Residual(4 * width),
        convolution(4 * width, 4 * width, 2),
        nn.Flatten(),
        nn.Linear(4 * width * (resolution // (8 * patch)) ** 2, outputs),
    )
