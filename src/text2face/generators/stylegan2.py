"""StyleGAN2 (Karras et al. 2020, arXiv 1912.04958 and 2006.06676): z → w → image."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn

from text2face._folders import read_config, read_tensors, write_folder
from text2face.errors import ArgumentError, CheckpointError
from text2face.generators.layers import (
    NOISE_MODES,
    Dense,
    StyledConv,
    ToRGB,
    UpsamplingSkip,
    normalize_second_moment,
    upsample,
)

__all__ = ["StyleGAN2", "StyleGAN2Config"]


@dataclass(frozen=True)
class StyleGAN2Config:
    """What a StyleGAN2 network looks like."""

    z_dim: int = 512
    """Size of the normal input."""
    c_dim: int = 0
    """Size of the class label; 0 for a network without classes."""
    w_dim: int = 512
    """Size of a latent code."""
    img_resolution: int = 1024
    """Height and width of the image in pixels, a power of two from 8."""
    img_channels: int = 3
    """Channels of the image."""
    mapping_layers: int = 8
    """Layers of the mapping network."""
    mapping_lr_multiplier: float = 0.01
    """Speed of learning of the mapping network relative to the synthesis network."""
    channels: tuple[int, ...] | None = None
    """Channels at 4, 8, 16, … pixels; None to derive them from `channel_base` and `channel_max`."""
    channel_base: int = 32768
    """Channels at a resolution are this number over the resolution, but at most `channel_max`."""
    channel_max: int = 512
    """See `channel_base`."""
    architecture: Literal["skip", "resnet", "orig"] = "skip"
    """How blocks are joined: sum of RGB outputs, residual blocks, or a plain chain (figure 7)."""
    conv_clamp: float | None = None
    """Limit of activations, for networks trained in half precision; None for no limit."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        if self.img_resolution < 8 or self.img_resolution & (self.img_resolution - 1):
            raise ArgumentError(
                f"bad img_resolution: got {self.img_resolution}, expected a power of two from 8"
            )
        if self.architecture not in ("skip", "resnet", "orig"):
            raise ArgumentError(
                f"bad architecture: got {self.architecture!r}, expected 'skip', 'resnet' or 'orig'"
            )
        if self.channels is not None:
            object.__setattr__(self, "channels", tuple(self.channels))
            if len(self.channels) != len(self.resolutions):
                raise ArgumentError(
                    f"bad channels: got {len(self.channels)} numbers, expected "
                    f"{len(self.resolutions)}, one for each resolution in {self.resolutions}"
                )
        sizes = (self.z_dim, self.w_dim, self.img_channels, self.mapping_layers)
        if min(*sizes, *self.block_channels) < 1 or self.c_dim < 0:
            raise ArgumentError(
                f"bad sizes: got {self}, expected z_dim, w_dim, img_channels, mapping_layers and "
                "channels from 1 and c_dim from 0"
            )

    @property
    def resolutions(self) -> tuple[int, ...]:
        """The resolution of each block: 4, 8, …, `img_resolution`."""
        return tuple(2**i for i in range(2, self.img_resolution.bit_length()))

    @property
    def block_channels(self) -> tuple[int, ...]:
        """The channels of each block."""
        if self.channels is not None:
            return self.channels
        return tuple(min(self.channel_base // size, self.channel_max) for size in self.resolutions)

    @property
    def num_ws(self) -> int:
        """The number of latent codes of one image: one per convolution and one for the last RGB."""
        return 2 * len(self.resolutions)


class Mapping(nn.Module):
    """The mapping network: normal z, and a class label if there are any, to a latent code."""

    w_avg: Tensor

    def __init__(self, config: StyleGAN2Config) -> None:
        """Make the network."""
        super().__init__()
        self.embed = Dense(config.c_dim, config.w_dim) if config.c_dim else None
        in_features = config.z_dim + (config.w_dim if config.c_dim else 0)
        sizes = [in_features] + [config.w_dim] * config.mapping_layers
        rate = config.mapping_lr_multiplier
        self.layers = nn.Sequential(
            *(Dense(a, b, lr_multiplier=rate, activate=True) for a, b in pairwise(sizes))
        )
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Map z [N, z_dim] and c [N, c_dim] to w [N, w_dim], float32, not truncated."""
        with torch.autocast(z.device.type, enabled=False):
            x = normalize_second_moment(z.float())
            if self.embed is not None and c is not None:
                x = torch.cat([x, normalize_second_moment(self.embed(c.float()))], dim=1)
            w: Tensor = self.layers(x)
            return w


class Block(nn.Module):
    """The layers of one resolution."""

    def __init__(self, config: StyleGAN2Config, index: int) -> None:
        """Make block `index` of the network, counted from 4×4."""
        super().__init__()
        resolution, channels = config.resolutions[index], config.block_channels
        out, clamp = channels[index], config.conv_clamp
        self.residual = config.architecture == "resnet" and index > 0
        is_last = index == len(channels) - 1
        self.up = (
            StyledConv(channels[index - 1], out, config.w_dim, resolution, up=True, clamp=clamp)
            if index
            else None
        )
        self.conv = StyledConv(out, out, config.w_dim, resolution, clamp=clamp)
        self.skip = UpsamplingSkip(channels[index - 1], out) if self.residual else None
        self.to_rgb = (
            ToRGB(out, config.img_channels, config.w_dim, clamp=clamp)
            if is_last or config.architecture == "skip"
            else None
        )

    def forward(self, x: Tensor, w: Tensor, noise_mode: str) -> Tensor:
        """Turn x [N, C, H, W] and w [N, 1 or 2, w_dim], a code each, into [N, C', 2H, 2W]."""
        shortcut = None if self.skip is None else self.skip(x, gain=math.sqrt(0.5))
        if self.up is not None:
            x = self.up(x, w[:, 0], noise_mode)
        x = self.conv(x, w[:, -1], noise_mode, gain=math.sqrt(0.5) if self.residual else 1.0)
        return x if shortcut is None else x + shortcut


class Synthesis(nn.Module):
    """The synthesis network: latent codes, one per layer, to an image."""

    def __init__(self, config: StyleGAN2Config) -> None:
        """Make the network."""
        super().__init__()
        self.const = nn.Parameter(torch.randn(config.block_channels[0], 4, 4))
        self.blocks = nn.ModuleList(Block(config, i) for i in range(len(config.resolutions)))

    def forward(self, w: Tensor, noise_mode: str = "const") -> Tensor:
        """Turn w [N, num_ws, w_dim] into images [N, img_channels, H, W].

        Activations have the dtype of autocast where it is on, styles and RGB are float32.
        """
        return self.pyramid(w, noise_mode)[1][-1]

    def pyramid(
        self, w: Tensor, noise_mode: str = "const", resolution: int | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """The last activation, and the images so far after each block that has an RGB output.

        All resolutions from 4×4 in the skip architecture, and just the last one in the others;
        `resolution` leaves out the blocks above it, for progressive training.
        """
        device = w.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else torch.float32
        images: list[Tensor] = []
        x = self.const.to(dtype).expand(w.shape[0], -1, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        for index, block in enumerate(cast("Iterable[Block]", self.blocks)):
            if resolution is not None and x.shape[-1] >= resolution:
                break
            first = max(2 * index - 1, 0)
            last = 2 * index + 1  # the RGB output uses the code of the next convolution
            x = block(x, w[:, first:last], noise_mode)
            if block.to_rgb is not None:
                image = block.to_rgb(x, w[:, last])
                images.append(upsample(images[-1]) + image if images else image)
        return x, images


class StyleGAN2(nn.Module):
    """A StyleGAN2 generator: `map` z to latents, `synthesize` latents to images."""

    def __init__(self, config: StyleGAN2Config) -> None:
        """Make a network with random weights, ready for training."""
        super().__init__()
        self.config = config
        self.z_dim = config.z_dim
        self.c_dim = config.c_dim
        self.w_dim = config.w_dim
        self.num_ws = config.num_ws
        self.img_resolution = config.img_resolution
        self.img_channels = config.img_channels
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load `config.json` and `model.safetensors` from a folder, in evaluation mode and frozen.

        Raises:
            CheckpointError: A file is missing, damaged, or of another shape.
        """
        folder = Path(folder)
        fields = read_config(folder)
        kind = fields.pop("type", None)
        if kind != "stylegan2":
            raise CheckpointError(f"wrong type in {folder}: got {kind!r}, expected 'stylegan2'")
        try:
            model = cls(StyleGAN2Config(**fields))
        except (TypeError, ArgumentError) as error:
            raise CheckpointError(f"wrong config in {folder}: {error}") from None
        model.load_state_dict(
            read_tensors(folder, {k: v.shape for k, v in model.state_dict().items()})
        )
        return model.eval().requires_grad_(False)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` (fp16) to a folder.

        Raises:
            OutputError: The folder cannot be written.
        """
        config: dict[str, Any] = {"type": "stylegan2", **dataclasses.asdict(self.config)}
        write_folder(Path(folder), config, self.state_dict())

    @property
    def mean_latent(self) -> Tensor:
        """The average of w over z ~ N(0, I), the anchor of truncation: [w_dim]."""
        return self.mapping.w_avg

    def map(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """Map normal z, and class labels, to latents.

        Args:
            z: [N, z_dim], normal.
            c: [N, c_dim], one-hot class labels; only for networks with classes.
            truncation: ψ: 1 leaves the latent, 0 gives the mean latent.
            truncation_cutoff: Only this many first layers are truncated; None for all.

        Returns:
            w [N, num_ws, w_dim], the same code in each layer but for the cutoff.

        Raises:
            ArgumentError: A shape does not fit this network.
        """
        _check_shape("z", z, (None, self.z_dim))
        if (c is None) != (self.c_dim == 0):
            raise ArgumentError(
                f"bad class labels: got {'none' if c is None else 'some'}, expected "
                f"{f'c of shape [N, {self.c_dim}]' if self.c_dim else 'none'} for this generator"
            )
        if c is not None:
            _check_shape("c", c, (z.shape[0], self.c_dim))
        w: Tensor = self.mapping(z, c)[:, None]
        if truncation == 1:
            return w.repeat(1, self.num_ws, 1)
        truncated = torch.lerp(self.mapping.w_avg, w, truncation)
        count = self.num_ws if truncation_cutoff is None else truncation_cutoff
        return torch.where(
            torch.arange(self.num_ws, device=w.device)[:, None] < count, truncated, w
        )

    def synthesize(self, w: Tensor, noise_mode: str = "const") -> Tensor:
        """Draw images from latents.

        Args:
            w: [N, num_ws, w_dim], one code per layer (W+); differentiable.
            noise_mode: "const" for the noise stored in the network, "random" for fresh noise from
                torch's generator, "none".

        Returns:
            Images [N, img_channels, H, W], float32, in [-1, 1] but not clamped.

        Raises:
            ArgumentError: The shape does not fit this network, or there is no such noise mode.
        """
        _check_shape("w", w, (None, self.num_ws, self.w_dim))
        if noise_mode not in NOISE_MODES:
            raise ArgumentError(
                f"bad noise mode: got {noise_mode!r}, expected one of {', '.join(NOISE_MODES)}"
            )
        image: Tensor = self.synthesis(w, noise_mode)
        return image


def _check_shape(name: str, tensor: Tensor, expected: tuple[int | None, ...]) -> None:
    fits = tensor.ndim == len(expected) and all(
        want in (None, got) for got, want in zip(tensor.shape, expected, strict=True)
    )
    if not fits:
        wanted = ", ".join("N" if size is None else str(size) for size in expected)
        raise ArgumentError(f"bad shape of {name}: got {list(tensor.shape)}, expected [{wanted}]")
