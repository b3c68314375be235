"""A few-step flow from noise to latents, with classifier-free guidance.

Data x and noise z are joined by x_t = α(t)·x + σ(t)·z, t from 0 (noise) to 1 (data). A network sees
x_t, t and the condition and predicts where the path leads; sampling follows it in a few steps of

    x_s = α(s)·x̂ + σ(s)·ẑ,

which is Euler's method for straight paths (flow matching, arXiv 2210.02747; rectified flow,
arXiv 2209.03003) and DDIM for the cosine schedule (arXiv 2010.02502; 2102.09672). Guidance
(arXiv 2207.12598) moves x̂ away from what the network predicts without a condition. Nothing is drawn
on the way: a seed's z decides the face.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import torch
from torch import Tensor, nn

from text2face.dense import Dense, ModulatedBlock
from text2face.errors import ArgumentError, quoted
from text2face.registry import register
from text2face.samplers.standardised import StandardisedConfig, StandardisedSampler

__all__ = ["FlowSampler", "FlowSamplerConfig"]

_FREQUENCIES: Final = 8
_NOISIEST: Final = 0.002
"""The cosine schedule starts here: at 0, x̂ cannot be told from x_t and ẑ."""


_BACK_STEPS: Final = 32
_CERTAIN: Final = -12.0


@dataclass(frozen=True)
class FlowSamplerConfig(StandardisedConfig):
    """What a flow sampler looks like."""

    depth: int = 4
    """Residual blocks."""
    schedule: Literal["flow", "diffusion"] = "flow"
    """"flow": straight paths, the network predicts the velocity; "diffusion": the cosine schedule,
    it predicts the latent (clip2latent, arXiv 2210.02347)."""
    steps: int = 4
    """Steps from noise to latent, 1 to 1000; the trained network serves any number."""
    guidance: float = 1.0
    """1 = the condition as it is; more makes samples fit it better and vary less."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        super().__post_init__()
        if self.schedule not in ("flow", "diffusion"):
            raise ArgumentError(
                f"bad schedule: got {self.schedule!r}, expected 'flow' or 'diffusion'"
            )
        if not 1 <= self.steps <= 1000 or not 0 <= self.guidance <= 20:
            raise ArgumentError(
                f"bad sampling: got {quoted(self)}, expected steps from 1 to 1000 and guidance "
                "from 0 to 20"
            )


class _Network(nn.Module):
    """Residual blocks modulated by the time and by the condition, or by its absence."""

    def __init__(self, config: FlowSamplerConfig) -> None:
        super().__init__()
        size = config.w_dim * (len(config.layer_groups) or 1)
        inner = max(config.width // 2, 1)
        facts = config.embedding_dim + 2 * _FREQUENCIES + 2
        self.input = Dense(size, config.width)
        self.condition = Dense(facts, config.width)
        self.modulator = Dense(facts, inner, activate=True)
        self.blocks = nn.ModuleList(
            ModulatedBlock(config.width, inner) for _ in range(config.depth)
        )
        self.out = Dense(config.width, size)
        self.skip = Dense(2 * _FREQUENCIES + 2, 1)

    def forward(self, x: Tensor, time: Tensor, condition: Tensor, known: Tensor) -> Tensor:
        angles = time * math.pi * torch.arange(1, _FREQUENCIES + 1, device=x.device)
        when = torch.cat([time, known, angles.sin(), angles.cos()], dim=1)
        facts = torch.cat([when, condition * known], dim=1)
        hidden = self.input(x) + self.condition(facts)
        modulator = self.modulator(facts)
        for block in self.blocks:
            hidden = block(hidden, modulator)
        out: Tensor = self.out(hidden) + self.skip(when) * x
        return out


@register("sampler", "flow")
class FlowSampler(StandardisedSampler):
    """Draws latents that look like a given image embedding, in a few steps (a `LatentSampler`)."""

    config_class = FlowSamplerConfig
    config: FlowSamplerConfig

    def __init__(self, config: FlowSamplerConfig | None = None) -> None:
        """Make a sampler with random weights."""
        super().__init__()
        self.config = config or FlowSamplerConfig()
        self.network = _Network(self.config)
        self.add_statistics()

    @property
    def z_dim(self) -> int:
        """Size of the normal input."""
        return self.config.w_dim * (len(self.config.layer_groups) or 1)

    def blend(self, latents: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """x_t of standardised latents and noise [N, G·w_dim] at times [N, 1]."""
        alpha, sigma = self._schedule(time)
        return alpha * latents + sigma * noise

    def target(self, latents: Tensor, noise: Tensor) -> Tensor:
        """What the network should predict."""
        return latents - noise if self.config.schedule == "flow" else latents

    def predict(self, x: Tensor, time: Tensor, condition: Tensor, known: Tensor) -> Tensor:
        """What the network predicts.

        Args:
            x: x_t [N, G·w_dim].
            time: [N, 1], from 0 (noise) to 1.
            condition: As `prepare_condition` gives it [N, D].
            known: [N, 1], 1 or, to leave the condition out, 0.
        """
        alpha, sigma = self._schedule(time)
        scale = (alpha.square() + sigma.square()).rsqrt()
        predicted: Tensor = self.network(x * scale, time, condition, known)
        return predicted

    def follow(self, z: Tensor, condition: Tensor, steps: int, guidance: float = 1.0) -> Tensor:
        """Follow the flow from noise to data; differentiable.

        Args:
            z: [N, z_dim].
            condition: As `prepare_condition` gives it [N, D].
            steps: From 1.
            guidance: See the config.

        Returns:
            Standardised latents [N, G·w_dim].
        """
        first = 0.0 if self.config.schedule == "flow" else _NOISIEST
        times = torch.linspace(first, 1, steps + 1, device=z.device)
        x, known = z, torch.ones(len(z), 1, device=z.device)
        for now, then in pairwise(times):
            time = now.expand(len(z), 1)
            predicted = self.predict(x, time, condition, known)
            if guidance != 1:
                free = self.predict(x, time, condition, torch.zeros_like(known))
                predicted = free + guidance * (predicted - free)
            x = self._step(x, now, then, predicted)
        return x

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
        self.check_inputs(condition, z, self.z_dim)
        prepared = self.prepare_condition(condition)
        return self.restore(
            self.follow(z.float(), prepared, self.config.steps, self.config.guidance)
        )

    def infer(self, latents: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """The z of a known latent, to draw a face that resembles it: the flow followed backwards.

        Args:
            latents: w [N, num_ws, w_dim].
            condition: Embeddings [N, D], normalised here.

        Returns:
            z [N, z_dim] as a posterior's μ, and its log σ²: there is but one z, up to the error of
            the steps.

        Raises:
            ArgumentError: The schedule is "diffusion", whose first step back would divide by 0.
        """
        if self.config.schedule != "flow":
            raise ArgumentError(
                "this sampler's schedule is 'diffusion', which cannot be followed backwards; "
                "expected one trained with 'flow', or a CVAE"
            )
        x, prepared = self.standardise(latents), self.prepare_condition(condition)
        known = torch.ones(len(x), 1, device=x.device)
        times = torch.linspace(1, 0, _BACK_STEPS + 1, device=x.device)
        for now, then in pairwise(times):
            predicted = self.predict(x, now.expand(len(x), 1), prepared, known)
            x = self._step(x, now, then, predicted)
        return x, torch.full_like(x, _CERTAIN)

    def _step(self, x: Tensor, now: Tensor, then: Tensor, predicted: Tensor) -> Tensor:
        """From one time to another, in either direction."""
        if self.config.schedule == "flow":
            return x + (then - now) * predicted
        alpha, sigma = self._schedule(now)
        next_alpha, next_sigma = self._schedule(then)
        return next_alpha * predicted + next_sigma * (x - alpha * predicted) / sigma

    def _schedule(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ."""
        if self.config.schedule == "flow":
            return time, 1 - time
        return (0.5 * math.pi * time).sin(), (0.5 * math.pi * time).cos()
