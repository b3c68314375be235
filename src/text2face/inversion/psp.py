"""The inversion encoders of pSp and e4e.

Richardson et al. 2021 (pSp, arXiv 2008.00951, section 3) and Tov et al. 2021 (e4e, arXiv
2102.02766): an IR-SE50 (arXiv 1801.07698) whose features at three scales become a code for each
layer, by a chain of convolutions that ends in one pixel. pSp makes every code on its own; e4e
makes that of the first layer and, for the others, differences from it.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.checks import check_images
from text2face.dense import Dense
from text2face.errors import ArgumentError, quoted
from text2face.registry import register
from text2face.storage.saved import SavedModule

__all__ = ["PSPConfig", "PSPEncoder"]

_BLOCKS: Final = ((64, 3), (128, 4), (256, 14), (512, 3))
_TAKEN: Final = (6, 20, 23)  # blocks whose output is used
_COARSE, _MIDDLE = 3, 7  # the first layers of the middle and of the fine codes


@dataclass(frozen=True)
class PSPConfig:
    """What a `PSPEncoder` looks like."""

    kind: Literal["psp", "e4e"] = "e4e"
    """How codes are made."""
    num_ws: int = 18
    """Latent codes of one image."""
    w_dim: int = 512
    """Size of a latent code and of the features."""
    from_mean: bool = True
    """Whether codes are offsets from the mean latent."""
    image_size: int = 256
    """Images are resized to this side."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        sizes = (self.num_ws, self.w_dim, self.image_size)
        side = self.image_size // 16
        power = side > 0 and not side & (side - 1) and self.image_size == 16 * side
        if self.kind not in ("psp", "e4e") or min(sizes) < 1 or max(sizes) > 1 << 16 or not power:
            raise ArgumentError(
                f"bad configuration: got {quoted(self)}, expected kind psp or e4e, sizes from 1 "
                f"to {1 << 16}, and an image_size of 16 times a power of two"
            )


class _SqueezeExcite(nn.Module):
    """Channels weighed by what all pixels say (arXiv 1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(mean))))


class _Bottleneck(nn.Module):
    """A residual block of IR-SE50; names as in the files."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.shortcut_layer = (
            None
            if inputs == outputs
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            _SqueezeExcite(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.shortcut_layer is None:
            shortcut = x[:, :, :: self.stride, :: self.stride]
        else:
            shortcut = self.shortcut_layer(x)
        out: Tensor = shortcut + self.res_layer(x)
        return out


class _StyleBlock(nn.Module):
    """Features [N, C, side, side] → a code [N, C]."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(int(math.log2(side))):
            layers += [nn.Conv2d(channels, channels, 3, 2, 1), nn.LeakyReLU(0.01)]
        self.convs = nn.Sequential(*layers)
        self.linear = Dense(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.convs(x).flatten(1))
        return out


@register("inversion", "psp")
class PSPEncoder(SavedModule):
    """Images → latents (a `LatentEncoder`), as pSp or e4e."""

    latent_mean: Tensor

    config_class = PSPConfig
    stored_half = False
    config: PSPConfig

    def __init__(self, config: PSPConfig | None = None) -> None:
        """Make an encoder with random weights."""
        super().__init__()
        self.config = config = config or PSPConfig()
        width = config.w_dim
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        blocks: list[nn.Module] = []
        before = 64
        for channels, count in _BLOCKS:
            for i in range(count):
                blocks.append(_Bottleneck(before, channels, 1 if i else 2))
                before = channels
        self.body = nn.ModuleList(blocks)
        side = config.image_size // 16
        sides = [side if i < _COARSE else 2 * side if i < _MIDDLE else 4 * side
                 for i in range(config.num_ws)]  # fmt: skip
        self.styles = nn.ModuleList(_StyleBlock(width, one) for one in sides)
        self.latlayer1 = nn.Conv2d(256, width, 1)
        self.latlayer2 = nn.Conv2d(128, width, 1)
        self.register_buffer("latent_mean", torch.zeros(config.num_ws, width))

    @property
    def num_ws(self) -> int:
        """Latent codes of one image."""
        return self.config.num_ws

    @property
    def w_dim(self) -> int:
        """Size of a latent code."""
        return self.config.w_dim

    def features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images of the right size → features at 1/16, 1/8 and 1/4, each with what is coarser."""
        x = self.input_layer(images)
        taken: list[Tensor] = []
        for i, block in enumerate(self.body):
            x = block(x)
            if i in _TAKEN:
                taken.append(x)
        fine, middle, coarse = taken
        middle = _enlarge(coarse, middle) + self.latlayer1(middle)
        fine = _enlarge(middle, fine) + self.latlayer2(fine)
        return coarse, middle, fine

    def encode(self, images: Tensor) -> Tensor:
        """Find latents.

        Args:
            images: [N, 3, H, W] in [-1, 1], any size, aligned as FFHQ.

        Returns:
            w [N, num_ws, w_dim].

        Raises:
            ArgumentError: The images have another shape.
        """
        check_images(images)
        size = (self.config.image_size,) * 2
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True)
        coarse, middle, fine = self.features(images.float())
        codes = torch.stack(
            [
                block(coarse if i < _COARSE else middle if i < _MIDDLE else fine)
                for i, block in enumerate(self.styles)
            ],
            dim=1,
        )
        if self.config.kind == "e4e":
            codes = torch.cat([codes[:, :1], codes[:, :1] + codes[:, 1:]], dim=1)
        return codes + self.latent_mean if self.config.from_mean else codes


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=True)


def __getattr__(name: str) -> object:
    """`load_psp` has moved to `text2face.checkpoints.psp`; the old name goes in version 0.3."""
    if name == "load_psp":
        warnings.warn(
            "text2face.inversion.psp.load_psp is now text2face.checkpoints.psp.load_psp",
            DeprecationWarning,
            stacklevel=2,
        )
        return import_module("text2face.checkpoints.psp").load_psp
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
