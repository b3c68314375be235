"""The base of StyleGANs: the mapping network z → w, truncation and files."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from text2face.dense import Dense, normalize_second_moment
from text2face.errors import ArgumentError, quoted
from text2face.generators.base import Generator, check_channels
from text2face.generators.layers import NOISE_MODES
from text2face.storage.networks import SkipInit
from text2face.storage.saved import SavedModule

__all__ = ["GeneratorConfig", "MappedGenerator", "Mapping", "rgb"]


@dataclass(frozen=True)
class GeneratorConfig:
    """What the configurations of all StyleGANs have."""

    z_dim: int = 512
    """Size of the normal input."""
    c_dim: int = 0
    """Size of the class label; 0 for a network without classes."""
    w_dim: int = 512
    """Size of a latent code."""
    img_resolution: int = 1024
    """Height and width of the image in pixels, a power of two."""
    img_channels: int = 3
    """Channels of the image: 3, or 1 for a network that was trained on grey pictures."""
    mapping_layers: int = 8
    """Layers of the mapping network."""
    mapping_lr_multiplier: float = 0.01
    """Speed of learning of the mapping network relative to the synthesis network."""

    embed_features: int | None = None
    """Size of an embedded class label; None for that of a latent code."""
    layer_features: int | None = None
    """Size of what passes between layers of the mapping network; None for that of a code."""

    @property
    def num_ws(self) -> int:
        """The number of latent codes of one image."""
        raise NotImplementedError

    def check_common(self, clamp: float | None) -> None:
        """Check the values that all StyleGANs have, but for the resolution.

        Raises:
            ArgumentError: A value is out of range.
        """
        between = (self.embed_features or 1, self.layer_features or 1)
        sizes = (self.z_dim, self.w_dim, self.img_channels, self.mapping_layers, *between)
        if min(sizes) < 1 or self.c_dim < 0:
            raise ArgumentError(
                f"bad sizes: got {quoted(self)}, expected z_dim, w_dim, img_channels and "
                "mapping_layers from 1 and c_dim from 0"
            )
        if self.img_channels != 1:
            check_channels(self.img_channels)
        if not 0 < self.mapping_lr_multiplier < math.inf:
            raise ArgumentError(
                f"bad mapping_lr_multiplier: got {self.mapping_lr_multiplier}, expected a positive "
                "number"
            )
        if clamp is not None and not 0 < clamp < math.inf:
            raise ArgumentError(
                f"bad conv_clamp: got {clamp}, expected a positive number, or None for no limit"
            )


class Mapping(nn.Module):
    """The mapping network: normal z, and a class label if there are any, to a latent code."""

    w_avg: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        """Make the network."""
        super().__init__()
        embedded = config.embed_features or config.w_dim
        self.embed = Dense(config.c_dim, embedded) if config.c_dim else None
        inputs = config.z_dim + (embedded if config.c_dim else 0)
        self.layers = nn.Sequential()
        for index in range(config.mapping_layers):
            is_last = index == config.mapping_layers - 1
            width = config.w_dim if is_last else config.layer_features or config.w_dim
            rate = config.mapping_lr_multiplier
            self.layers.append(Dense(inputs, width, lr_multiplier=rate, activate=True))
            inputs = width
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Map z [N, z_dim] and c [N, c_dim] to w [N, w_dim], float32, not truncated."""
        with torch.autocast(z.device.type, enabled=False):
            x = normalize_second_moment(z.float())
            if self.embed is not None and c is not None:
                x = torch.cat([x, normalize_second_moment(self.embed(c.float()))], dim=1)
            w: Tensor = self.layers(x)
            return w


class MappedGenerator(SavedModule):
    """A generator of a mapping network and a synthesis network: `map`, then `synthesize`."""

    synthesis_class: ClassVar[Any]
    """Its synthesis network, made from the configuration: w [N, num_ws, w_dim], mode → image."""

    def __init__(self, config: Any) -> None:
        """Make a network with random weights, ready for training."""
        super().__init__()
        self.config = config
        self.z_dim: int = config.z_dim
        self.c_dim: int = config.c_dim
        self.w_dim: int = config.w_dim
        self.num_ws: int = config.num_ws
        self.img_resolution: int = config.img_resolution
        self.img_channels: int = config.img_channels
        self.mapping = Mapping(config)
        self.synthesis = self.synthesis_class(config)

    def as_rgb(self) -> Self:
        """This network, or for a grey one a frozen network with three equal channels."""
        if self.img_channels == 3:
            return self
        with SkipInit():
            made = type(self)(replace(self.config, img_channels=3))
        shapes = {name: tensor.shape for name, tensor in made.state_dict().items()}
        # Only the weights and biases of the RGB outputs have another shape.
        state = {
            name: tensor if tensor.shape == shapes[name] else tensor.repeat_interleave(3, dim=0)
            for name, tensor in self.state_dict().items()
        }
        made.load_state_dict(state, assign=True)
        return made.eval().requires_grad_(False)

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
        self._check_synthesis(w, noise_mode)
        image: Tensor = self.synthesis(w, noise_mode)
        return image

    def _check_synthesis(self, w: Tensor, noise_mode: str) -> None:
        """Check what is drawn from.

        Raises:
            ArgumentError: See `synthesize`.
        """
        _check_shape("w", w, (None, self.num_ws, self.w_dim))
        if noise_mode not in NOISE_MODES:
            raise ArgumentError(
                f"bad noise mode: got {noise_mode!r}, expected one of {', '.join(NOISE_MODES)}"
            )


def rgb(generator: Generator) -> Generator:
    """The generator as encoders need it: a StyleGAN of grey pictures with three equal channels.

    Raises:
        ArgumentError: Its pictures have another number of channels.
    """
    if isinstance(generator, MappedGenerator) and generator.img_channels == 1:
        return generator.as_rgb()
    check_channels(generator.img_channels)
    return generator


def _check_shape(name: str, tensor: Tensor, expected: tuple[int | None, ...]) -> None:
    fits = tensor.ndim == len(expected) and all(
        want in (None, got) for got, want in zip(tensor.shape, expected, strict=True)
    )
    if not fits:
        wanted = ", ".join("N" if size is None else str(size) for size in expected)
        raise ArgumentError(f"bad shape of {name}: got {list(tensor.shape)}, expected [{wanted}]")
