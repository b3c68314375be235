"""The feed-forward inversion encoder: an image → offsets from the mean latent.

One code for all layers and a small difference for each, as e4e has it (Tov et al. 2021, arXiv
2102.02766, section 4): latents whose differences are small stay where the generator is good and
edits work. The network is a residual one on 4×4 patches, milliseconds on one CPU thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.checks import check_images
from text2face.convolution import Residual, convolution
from text2face.errors import ArgumentError, quoted
from text2face.registry import register
from text2face.storage.saved import SavedModule

__all__ = ["InversionConfig", "InversionEncoder"]


@dataclass(frozen=True)
class InversionConfig:
    """What an `InversionEncoder` looks like."""

    num_ws: int = 12
    """Latent codes of one image."""
    w_dim: int = 512
    """Size of a latent code."""
    rank: int = 288
    """Principal axes of the latents that are told apart; the others keep the mean."""
    image_size: int = 128
    """Images are resized to this side, a multiple of 32."""
    widths: tuple[int, ...] = (32, 64, 128, 192)
    """Channels at 1/4, 1/8, 1/16 and 1/32 of the side."""
    hidden: int = 512
    """Size of what all codes are made from."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        object.__setattr__(self, "widths", tuple(self.widths))
        sizes = (self.num_ws, self.w_dim, self.rank, self.hidden, self.image_size, *self.widths)
        if len(self.widths) != 4 or min(sizes) < 1 or max(sizes) > 1 << 16:
            raise ArgumentError(
                f"bad sizes: got {quoted(self)}, expected four widths and whole numbers from 1 to "
                f"{1 << 16}"
            )
        if self.image_size % 32:
            raise ArgumentError(f"bad image_size: got {self.image_size}, expected a multiple of 32")


@register("inversion", "compact")
class InversionEncoder(SavedModule):
    """Images → latents (a `LatentEncoder`); `text2face.inversion.training` trains it."""

    latent_mean: Tensor
    latent_axes: Tensor

    config_class = InversionConfig
    config: InversionConfig

    def __init__(self, config: InversionConfig | None = None) -> None:
        """Make an encoder with random weights."""
        super().__init__()
        self.config = config = config or InversionConfig()
        first, *later = config.widths
        stages: list[nn.Module] = [nn.PixelUnshuffle(4), convolution(48, first, 1)]
        stages.append(Residual(first))
        before = first
        for width in later:
            stages += [convolution(before, width, 2), Residual(width)]
            before = width
        self.trunk = nn.Sequential(*stages, nn.Flatten())
        cells = (config.image_size // 32) ** 2
        self.hidden = nn.Linear(before * cells, config.hidden)
        self.code = nn.Linear(config.hidden, config.rank)
        self.differences = nn.Linear(config.hidden, (config.num_ws - 1) * config.rank)
        nn.init.zeros_(self.differences.weight)
        nn.init.zeros_(self.differences.bias)
        self.register_buffer("latent_mean", torch.zeros(config.w_dim))
        self.register_buffer("latent_axes", torch.zeros(config.rank, config.w_dim))

    @property
    def num_ws(self) -> int:
        """Latent codes of one image."""
        return self.config.num_ws

    @property
    def w_dim(self) -> int:
        """Size of a latent code."""
        return self.config.w_dim

    def fit_axes(self, latents: Tensor) -> None:
        """Take mean and principal axes, scaled by their standard deviation, from w [N, w_dim]."""
        mean = latents.double().mean(dim=0)
        centred = latents.double() - mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(latents))
        rank = self.config.rank
        axes = (vectors * values.clamp(min=0).sqrt()).T.flip(0)[:rank]
        self.latent_mean.copy_(mean)
        self.latent_axes.zero_()
        self.latent_axes[: len(axes)] = axes.to(self.latent_axes)

    def forward(self, images: Tensor, layers: int | None = None) -> tuple[Tensor, Tensor]:
        """Find codes in units of the standard deviation along each principal axis.

        Args:
            images: [N, 3, H, W] in [-1, 1].
            layers: Only so many first layers have a difference of their own; None = all.

        Returns:
            The common code [N, rank] and each layer's difference from it [N, num_ws, rank], that
            of the first being zero.
        """
        size = self.config.image_size
        if images.shape[-2:] != (size, size):
            images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        hidden = F.relu(self.hidden(self.trunk(images.clamp(-1, 1))))
        code = self.code(hidden)
        layers = self.num_ws if layers is None else layers
        differences = code.new_zeros(len(code), self.num_ws, self.config.rank)
        if layers > 1:
            made = self.differences(hidden).view(len(code), self.num_ws - 1, -1)
            differences[:, 1:layers] = made[:, : layers - 1]
        return code, differences

    def place(self, codes: Tensor) -> Tensor:
        """Codes [..., rank] → latents [..., w_dim]."""
        return self.latent_mean + codes @ self.latent_axes

    def encode(self, images: Tensor) -> Tensor:
        """Find latents.

        Args:
            images: [N, 3, H, W] in [-1, 1], any size.

        Returns:
            w [N, num_ws, w_dim].

        Raises:
            ArgumentError: The images have another shape.
        """
        check_images(images)
        code, differences = self(images.float())
        return self.place(code.float()[:, None] + differences.float())
