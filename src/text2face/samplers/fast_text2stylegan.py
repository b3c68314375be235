"""The CVAE of Fast text2StyleGAN (arXiv 2209.03953) in the form of its published checkpoints.

w = w̄ + Δw(z, e), where e is an embedding of CLIP and z ~ N(0, I), or z from the posterior of a
given picture (figure 2). In contrast to `samplers.cvae` the condition keeps a length: the networks
were trained on CLIP's embeddings as they are, and the length says how much e counts beside z.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.checks import check_images
from text2face.dense import Dense, normalize_second_moment
from text2face.errors import ArgumentError
from text2face.registry import register
from text2face.samplers.saved import SavedSampler

__all__ = ["FastText2StyleGANConfig", "FastText2StyleGANSampler"]

_WIDTHS: Final = (32, 64, 128, 256, 512)
"""Channels of the picture's convolutions, each of which halves its side."""
_LEVELS: Final = 4
"""Layers that are coarse, and as many that are medium; the others are fine."""
_MOMENTUM: Final = 0.1


@dataclass(frozen=True)
class FastText2StyleGANConfig:
    """The shape of a published CVAE."""

    variant: Literal["w", "w+", "double-w"] = "w"
    """"w": one code for all layers (`cVAEMapper`); "w+": one each for the coarse, medium and fine
    layers (the same without `learn_in_w`); "double-w": z goes through the generator's own mapping
    network first (`cVAEdoubleWMapper`)."""
    num_ws: int = 18
    """Latent codes of one image."""
    embedding_dim: int = 512
    """Size of the condition, and of all layers of published networks."""
    w_dim: int | None = None
    """Size of a latent code; None = that of the condition. Layers are as wide as the larger."""
    code_dim: int = 128
    """Size of z."""
    image_size: int = 256
    """Pictures are resized to this side for the posterior; a multiple of 32."""
    mapping_layers: int = 8
    """Layers of the mapping network that z goes through in "double-w"."""
    embedding_norm: float = 1.0
    """The length that `sample` gives to conditions: that of the encoder's embeddings, or 1 if the
    networks were trained on unit vectors."""
    bank_size: int = 0
    """Image embeddings kept for `samplers.conditions`; 0 = no bank."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        if self.variant not in ("w", "w+", "double-w"):
            raise ArgumentError(
                f"bad variant: got {self.variant!r}, expected 'w', 'w+' or 'double-w'"
            )
        if self.w_dim is None:
            object.__setattr__(self, "w_dim", self.embedding_dim)
        sizes = (
            self.num_ws,
            self.embedding_dim,
            self.w_dim,
            self.code_dim,
            self.image_size,
            self.mapping_layers,
        )
        if not all(isinstance(size, int) and 1 <= size <= 8192 for size in sizes):
            raise ArgumentError(f"bad sizes: got {self}, expected whole numbers from 1 to 8192")
        if not isinstance(self.bank_size, int) or self.bank_size < 0:
            raise ArgumentError(
                f"bad bank_size: got {self.bank_size!r}, expected a whole number from 0"
            )
        if self.image_size % 32:
            raise ArgumentError(f"bad image_size: got {self.image_size}, expected a multiple of 32")
        if self.variant == "w+" and self.num_ws < 2 * _LEVELS:
            raise ArgumentError(
                f"bad num_ws: got {self.num_ws}, expected at least {2 * _LEVELS} for 'w+'"
            )
        if self.variant == "double-w" and self.code_dim != self.width:
            raise ArgumentError(
                f"bad code_dim: got {self.code_dim}, expected {self.width} for 'double-w', "
                "the size of the generator's z"
            )
        if not math.isfinite(self.embedding_norm) or self.embedding_norm <= 0:
            raise ArgumentError(
                f"bad embedding_norm: got {self.embedding_norm}, expected a positive number"
            )

    @property
    def width(self) -> int:
        """Size of the hidden layers."""
        return max(self.embedding_dim, self.w_dim or 0)


class _MLP(nn.Module):
    """PixelNorm → linear layers with equalised learning rate, each activated, the last one too."""

    def __init__(self, inputs: int, width: int, outputs: int, depth: int = 4) -> None:
        super().__init__()
        sizes = [inputs, *[width] * (depth - 1), outputs]
        self.layers = nn.Sequential(*(Dense(a, b, activate=True) for a, b in pairwise(sizes)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(normalize_second_moment(x))
        return out


class _BatchNorm(nn.Module):
    """Batch normalisation, whose statistics may be those of several processes together."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.across: Callable[[Tensor], Tensor] = _alone
        """In training: the mean over processes, differentiable."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)
        moments = torch.stack([x.mean(dim=(0, 2, 3)), x.square().mean(dim=(0, 2, 3))])
        mean, square = self.across(moments)
        variance = (square - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, _MOMENTUM)
            self.running_var.lerp_(variance, _MOMENTUM)
        scale = self.weight * (variance + 1e-5).rsqrt()
        out: Tensor = x * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
        return out


def _alone(moments: Tensor) -> Tensor:
    return moments


class _Posterior(nn.Module):
    """A picture and its embedding → μ, log σ² of z."""

    def __init__(self, config: FastText2StyleGANConfig) -> None:
        super().__init__()
        width, dim = config.width, config.embedding_dim
        blocks: list[nn.Module] = []
        before = 3
        for channels in _WIDTHS:
            blocks += [
                nn.Conv2d(before, channels, 3, stride=2, padding=1),
                _BatchNorm(channels),
                nn.LeakyReLU(0.01),
            ]
            before = channels
        self.image = nn.Sequential(*blocks)
        side = config.image_size // 2 ** len(_WIDTHS)
        self.project = nn.Linear(before * side**2, width)
        self.mlp = _MLP(width + dim, width, width)
        self.mean = nn.Linear(width, config.code_dim)
        self.log_variance = nn.Linear(width, config.code_dim)

    def forward(self, images: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        features = self.project(self.image(images).flatten(1))
        hidden = self.mlp(torch.cat([features, embedding], dim=1))
        return self.mean(hidden), self.log_variance(hidden)


@register("sampler", "fast-text2stylegan")
class FastText2StyleGANSampler(SavedSampler):
    """Draws latents of a StyleGAN2 for an embedding of CLIP ViT-B/16 (a `LatentSampler`)."""

    config_class = FastText2StyleGANConfig
    config: FastText2StyleGANConfig
    latent_mean: Tensor

    def __init__(self, config: FastText2StyleGANConfig | None = None) -> None:
        """Make a sampler with random weights."""
        super().__init__()
        self.config = config = config or FastText2StyleGANConfig()
        width, dim, w_dim = config.width, config.embedding_dim, self.w_dim
        self.posterior = _Posterior(config)
        if config.variant == "double-w":
            self.mapping: nn.Module | None = _MLP(width, width, width, config.mapping_layers)
            self.condition: nn.Module | None = _MLP(dim, width, width)
            inputs = 2 * width
        else:
            self.mapping = self.condition = None
            inputs = config.code_dim + dim
        groups = 3 if config.variant == "w+" else 1
        self.decoders = nn.ModuleList(_MLP(inputs, width, w_dim) for _ in range(groups))
        self.register_buffer("latent_mean", torch.zeros(w_dim))
        self.add_bank(dim)

    @property
    def embedding_dim(self) -> int:
        """Size of the condition."""
        return self.config.embedding_dim

    @property
    def z_dim(self) -> int:
        """Size of the normal input."""
        return self.config.code_dim

    @property
    def num_ws(self) -> int:
        """Latent codes of one image."""
        return self.config.num_ws

    @property
    def w_dim(self) -> int:
        """Size of a latent code."""
        return self.config.w_dim or self.config.embedding_dim

    def sample(self, condition: Tensor, z: Tensor) -> Tensor:
        """Draw latents.

        Args:
            condition: Embeddings [N, D]; brought to the length `embedding_norm` here.
            z: [N, z_dim], drawn from N(0, I).

        Returns:
            w [N, num_ws, w_dim].

        Raises:
            ArgumentError: The shapes do not fit.
        """
        embedding = F.normalize(condition.float(), dim=-1) * self.config.embedding_norm
        return self.decode(z, embedding)

    def decode(self, z: Tensor, embedding: Tensor) -> Tensor:
        """Draw latents for embeddings of CLIP as they are.

        Args:
            z: [N, z_dim].
            embedding: [N, D], not normalised.

        Returns:
            w [N, num_ws, w_dim].

        Raises:
            ArgumentError: The shapes do not fit.
        """
        self._check(embedding, z, ("z", self.z_dim))
        z, embedding = z.float(), embedding.float()
        if self.mapping is not None and self.condition is not None:
            inputs = torch.cat([self.mapping(z), self.condition(embedding)], dim=1)
        else:
            inputs = torch.cat([z, embedding], dim=1)
        codes = torch.stack([decoder(inputs) for decoder in self.decoders], dim=1)
        if len(self.decoders) > 1:
            sizes = [_LEVELS, _LEVELS, self.num_ws - 2 * _LEVELS]
            codes = codes.repeat_interleave(torch.tensor(sizes, device=codes.device), dim=1)
        return (self.latent_mean + codes).expand(-1, self.num_ws, -1).contiguous()

    def infer(self, images: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior of z given pictures, to draw faces that resemble them.

        Args:
            images: [N, 3, H, W] in [-1, 1], any size.
            embedding: [N, D], not normalised: of the pictures, or of a text to bend them to.

        Returns:
            μ and log σ², [N, z_dim] each.

        Raises:
            ArgumentError: The shapes do not fit.
        """
        check_images(images)
        self._check(embedding, images, ("images", None))
        size = (self.config.image_size,) * 2
        pixels = images.float()
        if pixels.shape[2:] != size:
            pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True)
        posterior: tuple[Tensor, Tensor] = self.posterior(pixels, embedding.float())
        return posterior

    def infer_pictures(self, images: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """The same for embeddings of any length, as `sample` takes them.

        Args:
            images: [N, 3, H, W] in [-1, 1], any size.
            embedding: [N, D].

        Returns:
            μ and log σ², [N, z_dim] each.

        Raises:
            ArgumentError: The shapes do not fit.
        """
        embedding = F.normalize(embedding.float(), dim=-1) * self.config.embedding_norm
        return self.infer(images, embedding)

    def _check(self, embedding: Tensor, other: Tensor, expected: tuple[str, int | None]) -> None:
        name, size = expected
        if (
            embedding.ndim != 2
            or embedding.shape[1] != self.embedding_dim
            or len(embedding) != len(other)
            or (size is not None and other.shape[1:] != (size,))
        ):
            wanted = f"[N, {size}]" if size else "N of them"
            raise ArgumentError(
                f"the embeddings are {list(embedding.shape)} and {name} {list(other.shape)}, "
                f"expected [N, {self.embedding_dim}] and {wanted}"
            )
