"""StyleGAN2 (Karras et al. 2020, arXiv 1912.04958 and 2006.06676): z → w → image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, cast

import torch
from torch import Tensor, nn

from text2face.errors import ArgumentError, quoted
from text2face.generators.layers import ALL_ROWS, StyledConv, ToRGB, UpsamplingSkip, upsample
from text2face.generators.mapping import GeneratorConfig, MappedGenerator
from text2face.registry import register

__all__ = ["StyleGAN2", "StyleGAN2Config"]

_MAX_RESOLUTION: Final = 8192
_TILE: Final = 2**24  # bytes; some of these fit into the last cache
_MARGIN: Final = 2  # rows of the input that the filters of a block reach


@dataclass(frozen=True)
class StyleGAN2Config(GeneratorConfig):
    """What a StyleGAN2 network of 8 pixels or more looks like."""

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
        resolution = self.img_resolution
        if not 8 <= resolution <= _MAX_RESOLUTION or resolution & (resolution - 1):
            raise ArgumentError(
                f"bad img_resolution: got {resolution}, expected a power of two from 8 to "
                f"{_MAX_RESOLUTION}"
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
        self.check_common(self.conv_clamp)
        if min(self.block_channels) < 1:
            raise ArgumentError(
                f"bad channels: got {quoted(self.block_channels)}, expected whole numbers from 1"
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


class Block(nn.Module):
    """The layers of one resolution."""

    def __init__(self, config: StyleGAN2Config, index: int) -> None:
        """Make block `index` of the network, counted from 4×4."""
        super().__init__()
        resolution, channels = config.resolutions[index], config.block_channels
        out, clamp = channels[index], config.conv_clamp
        self.residual = config.architecture == "resnet" and index > 0
        self.is_last = index == len(channels) - 1
        self.up = (
            StyledConv(channels[index - 1], out, config.w_dim, resolution, up=True, clamp=clamp)
            if index
            else None
        )
        self.conv = StyledConv(out, out, config.w_dim, resolution, clamp=clamp)
        self.skip = UpsamplingSkip(channels[index - 1], out) if self.residual else None
        self.to_rgb = (
            ToRGB(out, config.img_channels, config.w_dim, clamp=clamp)
            if self.is_last or config.architecture == "skip"
            else None
        )

    def forward(
        self, x: Tensor, w: Tensor, noise_mode: str, rows: slice = ALL_ROWS
    ) -> tuple[Tensor, Tensor | None]:
        """Draw one resolution.

        Args:
            x: [N, C, H, W].
            w: [N, 2 or 3, w_dim], a code for each layer; the last one is that of the RGB output.
            noise_mode: See `StyledConv.forward`.
            rows: See `StyledConv.forward`.

        Returns:
            [N, C', 2H, 2W], and what this block adds to the image, if it has an RGB output.
        """
        shortcut = None if self.skip is None else self.skip(x, gain=math.sqrt(0.5))
        if self.up is not None:
            x = self.up(x, w[:, 0], noise_mode, rows=rows)
        gain = math.sqrt(0.5) if self.residual else 1.0
        x = self.conv(x, w[:, -2], noise_mode, gain, rows)
        x = x if shortcut is None else x + shortcut
        return x, None if self.to_rgb is None else self.to_rgb(x, w[:, -1])

    def in_tiles(self, x: Tensor, w: Tensor, noise_mode: str) -> tuple[Tensor, Tensor | None]:
        """The same as `forward`, a few samples or some rows at a time, for inference on a CPU.

        What goes from layer to layer stays in the cache, and in memory that the next tile can have:
        larger pieces go back to the system, which clears them each time. The activation that comes
        out of the last block is not filled in: nobody reads it.
        """
        count, _, height, width = x.shape
        channels = len(self.conv.weight)
        size = (count, channels, 2 * height, 2 * width)
        out = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
        image = None
        if self.to_rgb is not None:
            image = torch.empty(count, len(self.to_rgb.weight), *size[2:])
        row = 4 * width * channels * x.element_size()  # bytes of output of a row of input
        samples = max(_TILE // (row * height), 1)
        step = min(max(_TILE // row, 1), height)
        for i, top in product(range(0, count, samples), range(0, height, step)):
            # The margin is as far as the filters reach, and is cut off from the result.
            bottom = min(top + step, height)
            first, last = max(top - _MARGIN, 0), min(bottom + _MARGIN, height)
            some = slice(i, i + samples)
            rows = slice(2 * first, 2 * last)
            part, rgb = self(x[some, :, first:last], w[some], noise_mode, rows)
            kept = slice(2 * (top - first), 2 * (bottom - first))
            if not self.is_last:
                out[some, :, 2 * top : 2 * bottom] = part[:, :, kept]
            if image is not None and rgb is not None:
                image[some, :, 2 * top : 2 * bottom] = rgb[:, :, kept]
        return out, image


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
        `resolution` leaves out the blocks above it, for progressive training. (After the last block
        the activation may not be filled in, see `Block.in_tiles`.)
        """
        device = w.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else self.const.dtype
        images: list[Tensor] = []
        x = self.const.to(dtype).expand(w.shape[0], -1, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        for index, block in enumerate(cast("Iterable[Block]", self.blocks)):
            if resolution is not None and x.shape[-1] >= resolution:
                break
            # The RGB output uses the code of the next convolution.
            codes = w[:, max(2 * index - 1, 0) : 2 * index + 2]
            large = index > 0 and x.numel() * x.element_size() > _TILE
            tiles = large and device == "cpu" and not torch.is_grad_enabled()
            # Rows that are drawn twice, in the margins of two tiles, must have the same noise.
            draw = block.in_tiles if tiles and noise_mode != "random" else block
            x, image = draw(x, codes, noise_mode)
            if image is not None:
                images.append(upsample(images[-1]) + image if images else image)
        return x, images


@register("generator", "stylegan2")
class StyleGAN2(MappedGenerator):
    """A StyleGAN2 generator: `map` z to latents, `synthesize` latents to images."""

    config_class = StyleGAN2Config
    synthesis_class = Synthesis
    config: StyleGAN2Config
    synthesis: Synthesis

    def __init__(self, config: StyleGAN2Config) -> None:
        """Make a network with random weights, ready for training."""
        super().__init__(config)

    @property
    def skip_resolutions(self) -> tuple[int, ...]:
        """The sides of the images before the last one, from 8; () in other architectures."""
        return self.config.resolutions[1:-1] if self.config.architecture == "skip" else ()

    def synthesize_at(self, w: Tensor, resolution: int, noise_mode: str = "const") -> Tensor:
        """Draw the images so far at a lower resolution, without the blocks above it.

        Args:
            w: [N, num_ws, w_dim].
            resolution: One of `skip_resolutions`.
            noise_mode: See `synthesize`.

        Returns:
            Images [N, img_channels, resolution, resolution], float32, not clamped.

        Raises:
            ArgumentError: The shape does not fit this network, or there is no such image.
        """
        self._check_synthesis(w, noise_mode)
        if resolution not in self.skip_resolutions:
            known = ", ".join(map(str, self.skip_resolutions)) or "none"
            raise ArgumentError(f"resolution is {resolution}, expected one of {known}")
        return self.synthesis.pyramid(w, noise_mode, resolution)[1][-1]
