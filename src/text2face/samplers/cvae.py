"""The conditional variational auto-encoder of Fast text2StyleGAN (arXiv 2209.03953)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.checks import check_count
from text2face.dense import Dense, ModulatedBlock, normalize_second_moment
from text2face.errors import ArgumentError
from text2face.registry import register
from text2face.samplers.standardised import StandardisedConfig, StandardisedSampler

__all__ = ["CVAESampler", "CVAESamplerConfig", "LatentPosterior"]

VARIETY: Final = 0.25
"""How much of the spread of z is added to a latent of the bank."""


@dataclass(frozen=True)
class CVAESamplerConfig(StandardisedConfig):
    """What a CVAE sampler looks like; `depth` counts hidden layers ("plain") or blocks."""

    code_dim: int = 128
    """Size of what the posterior encodes."""
    architecture: Literal["plain", "residual", "outline"] = "residual"
    """The decoder: "plain" as in the paper, residual blocks that the condition modulates, or
    "outline": two layers each way, half the width on the side of the code."""
    bank_latents: bool = False
    """Whether the bank holds the latents of its images, which are what `sample` starts from."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        super().__post_init__()
        check_count("code_dim", self.code_dim)
        if self.bank_latents and (not self.bank_size or self.num_groups > 1):
            raise ArgumentError(
                "bank_latents is True, expected a bank_size above 0 and one code for all layers"
            )
        if self.architecture not in _DECODERS:
            raise ArgumentError(
                f"bad architecture: got {self.architecture!r}, expected one of "
                f"{', '.join(_DECODERS)}"
            )


class _PlainDecoder(nn.Module):
    """concat(code, condition) → PixelNorm → linear layers, each activated, the last one too."""

    def __init__(self, config: CVAESamplerConfig) -> None:
        super().__init__()
        inputs = config.code_dim + config.embedding_dim
        sizes = [inputs, *[config.width] * (config.depth - 1), config.w_dim]
        self.layers = nn.Sequential(*(Dense(a, b, activate=True) for a, b in pairwise(sizes)))

    def forward(self, code: Tensor, condition: Tensor) -> Tensor:
        out: Tensor = self.layers(normalize_second_moment(torch.cat([code, condition], dim=1)))
        return out


class _ResidualDecoder(nn.Module):
    """The sum of code and condition through residual blocks that see the condition again."""

    def __init__(self, config: CVAESamplerConfig) -> None:
        super().__init__()
        condition_width = max(config.width // 4, 1)
        self.code = Dense(config.code_dim, config.width)
        self.condition = Dense(config.embedding_dim, config.width)
        self.modulator = Dense(config.embedding_dim, condition_width, activate=True)
        self.blocks = nn.ModuleList(
            ModulatedBlock(config.width, condition_width) for _ in range(config.depth)
        )
        self.out = Dense(config.width, config.w_dim)

    def forward(self, code: Tensor, condition: Tensor) -> Tensor:
        x = self.code(code) + self.condition(condition)
        modulator = self.modulator(condition)
        for block in self.blocks:
            x = block(x, modulator)
        out: Tensor = self.out(x)
        return out


class _OutlineDecoder(nn.Module):
    """concat(code, condition) → width / 2 → width → w."""

    def __init__(self, config: CVAESamplerConfig) -> None:
        super().__init__()
        inputs = config.code_dim + config.embedding_dim
        self.layers = _layers(inputs, max(config.width // 2, 1), config.width, config.w_dim)

    def forward(self, code: Tensor, condition: Tensor) -> Tensor:
        out: Tensor = self.layers(torch.cat([code, condition], dim=1))
        return out


def _layers(*sizes: int) -> nn.Sequential:
    """Linear layers with a ReLU between any two."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


_DECODERS = {"plain": _PlainDecoder, "residual": _ResidualDecoder, "outline": _OutlineDecoder}


class LatentPosterior(nn.Module):
    """The posterior over codes given a latent: [w, condition] → μ, log σ²."""

    def __init__(self, config: CVAESamplerConfig) -> None:
        """Make the network."""
        super().__init__()
        inputs = config.num_groups * config.w_dim + config.embedding_dim
        if config.architecture == "outline":
            half = max(config.width // 2, 1)
            self.layers = _layers(inputs, config.width, half, 2 * config.code_dim)
            return
        self.layers = nn.Sequential(
            Dense(inputs, config.width, activate=True),
            Dense(config.width, config.width, activate=True),
            Dense(config.width, 2 * config.code_dim, gain=0.3),
        )

    def forward(self, latents: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised latents [N, G·w_dim], condition [N, D] → μ, log σ², [N, code_dim] each."""
        mean, log_variance = self.layers(torch.cat([latents, condition], dim=1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)


@register("sampler", "cvae")
class CVAESampler(StandardisedSampler):
    """Draws latents that look like a given image embedding: p(w | e) = ∫ p(w | z, e) N(z) dz.

    The decoder works in units of each component's standard deviation around the mean latent, and
    the condition is centred and scaled so that its components have the size of z's. The class is a
    `LatentSampler`; `text2face.training` trains it.
    """

    config_class = CVAESamplerConfig
    config: CVAESamplerConfig
    bank_codes: Tensor
    bank_code_scale: Tensor

    def __init__(self, config: CVAESamplerConfig | None = None) -> None:
        """Make a sampler with random weights."""
        super().__init__()
        self.config = config = config or CVAESamplerConfig()
        groups = config.num_groups
        self.decoders = nn.ModuleList(_DECODERS[config.architecture](config) for _ in range(groups))
        self.posterior = LatentPosterior(config)
        self.add_statistics()
        if config.bank_latents:
            whole = torch.zeros(config.bank_size, config.w_dim, dtype=torch.int8)
            self.register_buffer("bank_codes", whole)
            self.register_buffer("bank_code_scale", torch.ones(config.w_dim))

    def with_latents(self, latents: Tensor) -> Self:
        """A copy of this sampler that remembers the latents of the images of its bank.

        The network averages over what an embedding leaves open, and an average of two hats is no
        hat. An image of the bank has one latent, which is drawn as it is.

        Args:
            latents: Codes that all layers share [bank_size, w_dim]; kept in eight bits each.

        Raises:
            ArgumentError: There are not as many as images in the bank.
        """
        if latents.shape != (self.config.bank_size, self.w_dim):
            raise ArgumentError(
                f"the latents are {list(latents.shape)}, expected "
                f"[{self.config.bank_size}, {self.w_dim}], one for each image of the bank"
            )
        copy = type(self)(replace(self.config, bank_latents=True))
        centred = latents.float() - self.latent_mean[0]
        scale = centred.abs().amax(dim=0).clamp(min=1e-6) / 127
        state = self.state_dict()
        state["bank_codes"] = (centred / scale).round().clamp(-127, 127).to(torch.int8)
        state["bank_code_scale"] = scale
        copy.load_state_dict(state)
        return copy.eval().requires_grad_(False)

    @property
    def z_dim(self) -> int:
        """Size of the normal input."""
        return self.config.code_dim

    def decode(self, code: Tensor, condition: Tensor) -> Tensor:
        """Code [N, code_dim], prepared condition [N, D] → standardised latents [N, G·w_dim]."""
        return torch.cat([decoder(code, condition) for decoder in self.decoders], dim=1)

    def sample(self, condition: Tensor, z: Tensor) -> Tensor:
        """Draw latents.

        With `bank_latents`, that of the image of the bank nearest to the condition, moved by what
        the network sees between the two, and by `VARIETY` of what it makes of z.

        Args:
            condition: Embeddings [N, D], normalised here.
            z: [N, z_dim], drawn from N(0, I).

        Returns:
            w [N, num_ws, w_dim].

        Raises:
            ArgumentError: The shapes do not fit.
        """
        self.check_inputs(condition, z, self.z_dim)
        wanted, z = self.prepare_condition(condition), z.float()
        if not self.config.bank_latents:
            return self.restore(self.decode(z, wanted))
        nearest = (F.normalize(condition.float(), dim=1) @ self.bank_embeddings.T).argmax(dim=1)
        near = self.prepare_condition(self.bank_embeddings[nearest])
        still = torch.zeros_like(z)
        moved = self.decode(still, wanted) - self.decode(still, near)
        varied = VARIETY * (self.decode(z, wanted) - self.decode(still, wanted))
        codes = self.bank_codes[nearest] * self.bank_code_scale / self.latent_std[0]
        return self.restore(codes + moved + varied)

    def infer(self, latents: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior of a known latent, to draw a face that resembles it.

        Args:
            latents: w [N, num_ws, w_dim].
            condition: Embeddings [N, D], normalised here.

        Returns:
            μ and log σ² of z, [N, code_dim] each.
        """
        posterior: tuple[Tensor, Tensor] = self.posterior(
            self.standardise(latents), self.prepare_condition(condition)
        )
        return posterior
