"""The discriminator that trains the generator."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.generators.layers import Dense

_SLOPE = 0.2
_ACTIVATION_GAIN = math.sqrt(2.0)


class Discriminator(nn.Module):
    """StyleGAN2's residual discriminator (arXiv 1912.04958, figure 7c), made for two CPU cores.

    It starts at half the resolution of the image, with four pixels side by side in the channels,
    and halves it block by block down to 4×4. Every fake has its render beside it, so variety needs
    no watching. Twice differentiable, as R1 needs (in float32, without autocast).
    """

    def __init__(
        self, channels: tuple[int, ...] = (64, 128, 192, 256), img_channels: int = 3
    ) -> None:
        """Make the network.

        Args:
            channels: Channels from half the resolution of the image down to 4×4, one for each.
            img_channels: Channels of the image.
        """
        super().__init__()
        self.from_rgb = Conv(4 * img_channels, channels[0], 1)
        self.blocks = nn.ModuleList(DownBlock(a, b) for a, b in pairwise(channels))
        self.conv = Conv(channels[-1], channels[-1], 3)
        self.dense = Dense(channels[-1] * 16, channels[-1], activate=True)
        self.out = Dense(channels[-1], 1)

    def forward(self, image: Tensor) -> Tensor:
        """Image [N, C, H, W] in [-1, 1] → logits [N], float32; positive for real."""
        return self.features(image)[0]

    def features(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits [N] and the output of each block, largest first, for matching features."""
        x = F.pixel_unshuffle(image, 2).contiguous(memory_format=torch.channels_last)
        x = self.from_rgb(x)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        x = self.conv(x)
        with torch.autocast(image.device.type, enabled=False):
            logits: Tensor = self.out(self.dense(x.float().flatten(1)))
        return logits[:, 0], features


class DownBlock(nn.Module):
    """Two convolutions and a shortcut, to half the resolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = Conv(in_channels, in_channels, 3)
        self.down = Conv(in_channels, out_channels, 3, gain=math.sqrt(0.5))
        self.skip = Conv(in_channels, out_channels, 1, activate=False, gain=math.sqrt(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] → [N, out_channels, H/2, W/2]."""
        shortcut: Tensor = self.skip(F.avg_pool2d(x, 2))
        x = self.down(F.avg_pool2d(self.conv(x), 2))
        return x + shortcut


class Conv(nn.Module):
    """A convolution with equalised learning rate and, if asked, bias and leaky ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int,
        *,
        activate: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        weight = torch.randn(out_channels, in_channels, size, size)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if activate else None
        self.gain = gain * (_ACTIVATION_GAIN if activate else 1.0)
        self.weight_gain = self.gain / math.sqrt(in_channels * size**2)

    def forward(self, x: Tensor) -> Tensor:
        # The gain of the activation is positive and so goes into the weight and the bias.
        bias = None if self.bias is None else self.bias * self.gain
        padding = self.weight.shape[2] // 2
        x = F.conv2d(x, self.weight * self.weight_gain, bias, padding=padding)
        return x if bias is None else F.leaky_relu(x, _SLOPE)
