"""The conditional variational auto-encoder of Fast text2StyleGAN (arXiv 2209.03953)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.errors import ArgumentError
from text2face.samplers.layers import EqualizedLinear, pixel_norm
from text2face.samplers.saved import SavedSampler

__all__ = ["CVAESampler", "CVAESamplerConfig", "LatentPosterior"]


@dataclass(frozen=True)
class CVAESamplerConfig:
    """What a CVAE sampler looks like."""

    embedding_dim: int = 256
    """Size of the condition."""
    w_dim: int = 512
    """Size of a latent code."""
    num_ws: int = 12
    """Latent codes of one image."""
    layer_groups: tuple[int, ...] = ()
    """Layers that share a code, such as (4, 4, 4) for coarse, medium and fine; () = all share."""
    code_dim: int = 128
    """Size of what the posterior encodes."""
    residual_dim: int = 0
    """Further inputs that put back the part of w that the decoder averages away, along that part's
    principal axes; they add to `z_dim`."""
    architecture: Literal["plain", "residual"] = "residual"
    """The decoder: "plain" as in the paper, or residual blocks that the condition modulates."""
    width: int = 512
    """Size of the hidden layers."""
    depth: int = 3
    """Hidden layers ("plain") or residual blocks ("residual")."""
    surrogate_width: int = 512
    """Size of the hidden layers of `surrogate`."""
    bank_size: int = 0
    """Image embeddings kept for `samplers.conditions`; 0 = no bank."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        object.__setattr__(self, "layer_groups", tuple(self.layer_groups))
        sizes = [self.embedding_dim, self.w_dim, self.num_ws, self.code_dim, self.width, self.depth]
        if (
            min(*sizes, self.surrogate_width, *self.layer_groups) < 1
            or min(self.residual_dim, self.bank_size) < 0
        ):
            raise ArgumentError(
                f"bad sizes: got {self}, expected whole numbers from 1; residual_dim and bank_size "
                "from 0"
            )
        if self.layer_groups and sum(self.layer_groups) != self.num_ws:
            raise ArgumentError(
                f"bad layer_groups: got {list(self.layer_groups)}, expected numbers that add up to "
                f"num_ws = {self.num_ws}"
            )
        if self.architecture not in ("plain", "residual"):
            raise ArgumentError(
                f"bad architecture: got {self.architecture!r}, expected 'plain' or 'residual'"
            )

    @property
    def num_groups(self) -> int:
        """How many different codes one image has."""
        return len(self.layer_groups) or 1


class _PlainDecoder(nn.Module):
    """concat(code, condition) → PixelNorm → linear layers, each activated, the last one too."""

    def __init__(self, config: CVAESamplerConfig) -> None:
        super().__init__()
        inputs = config.code_dim + config.embedding_dim
        sizes = [inputs, *[config.width] * (config.depth - 1), config.w_dim]
        self.layers = nn.Sequential(
            *(EqualizedLinear(a, b, activate=True) for a, b in pairwise(sizes))
        )

    def forward(self, code: Tensor, condition: Tensor) -> Tensor:
        out: Tensor = self.layers(pixel_norm(torch.cat([code, condition], dim=1)))
        return out


class _ResidualBlock(nn.Module):
    """x + two layers between which the condition scales and shifts (FiLM, arXiv 1709.07871)."""

    def __init__(self, width: int, condition_width: int) -> None:
        super().__init__()
        self.modulation = EqualizedLinear(condition_width, 2 * width, gain=0.5)
        self.first = EqualizedLinear(width, width)
        self.second = EqualizedLinear(width, width, gain=0.5)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulation(condition).chunk(2, dim=1)
        hidden = self.first(pixel_norm(x)) * (1 + scale) + shift
        out: Tensor = x + self.second(F.leaky_relu(hidden, 0.2) * math.sqrt(2))
        return out


class _ResidualDecoder(nn.Module):
    """The sum of code and condition through residual blocks that see the condition again."""

    def __init__(self, config: CVAESamplerConfig) -> None:
        super().__init__()
        condition_width = max(config.width // 4, 1)
        self.code = EqualizedLinear(config.code_dim, config.width)
        self.condition = EqualizedLinear(config.embedding_dim, config.width)
        self.modulator = EqualizedLinear(config.embedding_dim, condition_width, activate=True)
        self.blocks = nn.ModuleList(
            _ResidualBlock(config.width, condition_width) for _ in range(config.depth)
        )
        self.out = EqualizedLinear(config.width, config.w_dim)

    def forward(self, code: Tensor, condition: Tensor) -> Tensor:
        x = self.code(code) + self.condition(condition)
        modulator = self.modulator(condition)
        for block in self.blocks:
            x = block(x, modulator)
        out: Tensor = self.out(x)
        return out


_DECODERS = {"plain": _PlainDecoder, "residual": _ResidualDecoder}


class LatentPosterior(nn.Module):
    """The posterior over codes given a latent: [w, condition] → μ, log σ²."""

    def __init__(self, config: CVAESamplerConfig) -> None:
        """Make the network."""
        super().__init__()
        inputs = config.num_groups * config.w_dim + config.embedding_dim
        self.layers = nn.Sequential(
            EqualizedLinear(inputs, config.width, activate=True),
            EqualizedLinear(config.width, config.width, activate=True),
            EqualizedLinear(config.width, 2 * config.code_dim, gain=0.3),
        )

    def forward(self, latents: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised latents [N, G·w_dim], condition [N, D] → μ, log σ², [N, code_dim] each."""
        mean, log_variance = self.layers(torch.cat([latents, condition], dim=1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)


class Surrogate(nn.Module):
    """A stand-in for encoder ∘ generator: what the encoder sees in the image of a latent."""

    def __init__(self, config: CVAESamplerConfig) -> None:
        """Make the network."""
        super().__init__()
        width = config.surrogate_width
        self.layers = nn.Sequential(
            nn.Linear(config.num_groups * config.w_dim, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, config.embedding_dim),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Standardised latents [N, G·w_dim] → embeddings [N, D], L2-normalised."""
        return F.normalize(self.layers(latents), dim=1)


class CVAESampler(SavedSampler):
    """Draws latents that look like a given image embedding: p(w | e) = ∫ p(w | z, e) N(z) dz.

    The decoder works in units of each component's standard deviation around the mean latent, and
    the condition is centred and scaled so that its components have the size of z's. The class is a
    `LatentSampler`; `text2face.training` trains it.
    """

    kind = "cvae"
    config_class = CVAESamplerConfig
    config: CVAESamplerConfig
    latent_mean: Tensor
    latent_std: Tensor
    condition_mean: Tensor
    condition_scale: Tensor
    residual_basis: Tensor

    def __init__(self, config: CVAESamplerConfig | None = None) -> None:
        """Make a sampler with random weights."""
        super().__init__()
        self.config = config = config or CVAESamplerConfig()
        groups, dim = config.num_groups, config.embedding_dim
        self.decoders = nn.ModuleList(_DECODERS[config.architecture](config) for _ in range(groups))
        self.posterior = LatentPosterior(config)
        self.surrogate = Surrogate(config)
        self.register_buffer("latent_mean", torch.zeros(groups, config.w_dim))
        self.register_buffer("latent_std", torch.ones(groups, config.w_dim))
        self.register_buffer("condition_mean", torch.zeros(dim))
        self.register_buffer("condition_scale", torch.tensor(math.sqrt(dim)))
        basis = torch.zeros(config.residual_dim, groups * config.w_dim)
        self.register_buffer("residual_basis", basis)
        self.add_bank(dim)

    @property
    def embedding_dim(self) -> int:
        """Size of the condition."""
        return self.config.embedding_dim

    @property
    def z_dim(self) -> int:
        """Size of the normal input."""
        return self.config.code_dim + self.config.residual_dim

    @property
    def num_ws(self) -> int:
        """Latent codes of one image."""
        return self.config.num_ws

    @property
    def w_dim(self) -> int:
        """Size of a latent code."""
        return self.config.w_dim

    def prepare_condition(self, embedding: Tensor) -> Tensor:
        """Normalise embeddings [N, D], then centre and scale them as the networks expect."""
        centred = F.normalize(embedding.float(), dim=1) - self.condition_mean
        return centred * self.condition_scale

    def standardise(self, latents: Tensor) -> Tensor:
        """Latents [N, num_ws, w_dim] → what the networks work in [N, G·w_dim]."""
        starts = [0]
        for size in self.config.layer_groups[:-1]:
            starts.append(starts[-1] + size)
        codes = latents[:, starts].float()
        return ((codes - self.latent_mean) / self.latent_std).flatten(1)

    def decode(self, code: Tensor, condition: Tensor) -> Tensor:
        """Code [N, code_dim], prepared condition [N, D] → standardised latents [N, G·w_dim]."""
        return torch.cat([decoder(code, condition) for decoder in self.decoders], dim=1)

    def sample(self, condition: Tensor, z: Tensor) -> Tensor:
        """Draw latents.

        Args:
            condition: Embeddings [N, D], normalised here.
            z: [N, z_dim], drawn from N(0, I).

        Returns:
            w [N, num_ws, w_dim].

        Raises:
            ArgumentError: The shapes do not fit.
        """
        expected = (self.embedding_dim, self.z_dim)
        got = (condition.shape[-1], z.shape[-1])
        if condition.ndim != 2 or z.ndim != 2 or got != expected or len(condition) != len(z):
            raise ArgumentError(
                f"the condition is {list(condition.shape)} and z is {list(z.shape)}, expected "
                f"[N, {expected[0]}] and [N, {expected[1]}]"
            )
        code, residual = z[:, : self.config.code_dim], z[:, self.config.code_dim :]
        latents = self.decode(code.float(), self.prepare_condition(condition))
        latents = latents + residual.float() @ self.residual_basis
        codes = latents.view(len(z), -1, self.w_dim) * self.latent_std + self.latent_mean
        if not self.config.layer_groups:
            return codes.expand(-1, self.num_ws, -1).contiguous()
        sizes = torch.tensor(self.config.layer_groups, device=codes.device)
        return torch.repeat_interleave(codes, sizes, dim=1)

    def estimate(self, latents: Tensor) -> Tensor:
        """What the encoder would see in the images of latents, in a thousandth of the time.

        Args:
            latents: w [N, num_ws, w_dim].

        Returns:
            Image embeddings [N, D], L2-normalised.
        """
        embeddings: Tensor = self.surrogate(self.standardise(latents))
        return embeddings

    def infer(self, latents: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior of a known latent, to draw a face that resembles it.

        Args:
            latents: w [N, num_ws, w_dim].
            condition: Embeddings [N, D], normalised here.

        Returns:
            μ and log σ² of the first `code_dim` components of z, [N, code_dim] each.
        """
        posterior: tuple[Tensor, Tensor] = self.posterior(
            self.standardise(latents), self.prepare_condition(condition)
        )
        return posterior
