"""Image → latent by optimisation, in W or W+: slow, but the closest.

The projection of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958, appendix D): Adam with a rate
that rises and falls, noise on the latent that fades, and, where the generator has noise images,
those are optimised too, under a penalty that keeps them noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError
from text2face.generators.base import Generator

__all__ = ["Inversion", "InversionProgress", "OptimisationConfig", "noise_penalty", "optimise"]

_PATIENCE: Final = 25
_LEAST_GAIN: Final = 1e-3


@dataclass(frozen=True)
class OptimisationConfig:
    """How a latent is searched."""

    space: Literal["w", "w+"] = "w+"
    """One code for all layers, or one for each."""
    steps: int = 200
    """At most so many."""
    learning_rate: float = 0.05
    """The peak of the schedule."""
    pixel: float = 1.0
    """Weight of the mean square difference of pixels, at full and at a quarter of the size."""
    feature: float = 0.5
    """Weight of 1 - cos between the encoder's embeddings."""
    distance: float = 0.01
    """Weight of the mean square distance from the start, in units of the latents' spread."""
    jitter: float = 0.02
    """Noise on the latent at the start, in units of the latents' spread."""
    noise: float = 0.0
    """Weight of the noise penalty (the paper's is 1e5); 0 leaves the generator's noise alone."""
    early_stop: bool = True
    """Stop when 25 steps have gained less than a thousandth."""
    seed: int = 0
    """Of the jitter."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        weights = (self.pixel, self.feature, self.distance, self.jitter, self.noise)
        if (
            self.space not in ("w", "w+")
            or self.steps < 1
            or self.learning_rate <= 0
            or min(weights) < 0
        ):
            raise ArgumentError(
                f"bad optimisation: got {self}, expected space w or w+, steps from 1, a positive "
                "learning_rate and weights from 0"
            )


@dataclass(frozen=True)
class InversionProgress:
    """What is reported after each step."""

    step: int
    loss: float
    best: float


@dataclass(frozen=True)
class Inversion:
    """What was found."""

    latents: Tensor
    """w [1, num_ws, w_dim], the best of all steps."""
    loss: float
    steps: int
    """Steps taken."""
    noises: dict[str, Tensor]
    """The noise images of the generator by name, if they were optimised."""


def noise_penalty(noise: Tensor) -> Tensor:
    """How far a noise image [H, W] is from white noise: its neighbours' correlations, squared.

    At every size down to 8 pixels (appendix D, equation 5).
    """
    total = noise.new_zeros(())
    image = noise[None, None]
    while True:
        for axis in (2, 3):
            total = total + (image * image.roll(1, axis)).mean().square()
        if image.shape[-1] <= 8:
            return total
        image = F.avg_pool2d(image, 2) * 2


@torch.enable_grad()
def optimise(
    generator: Generator,
    image: Tensor,
    start: Tensor,
    spread: Tensor,
    *,
    encoder: TextImageEncoder | None = None,
    config: OptimisationConfig | None = None,
    on_step: Callable[[InversionProgress], object] = lambda progress: None,
) -> Inversion:
    """Search the latent whose image is like a given one.

    Args:
        generator: It is left as it was.
        image: [1, 3, H, W] in [-1, 1].
        start: w [1, num_ws, w_dim] to start from, such as what an inversion encoder found.
        spread: The standard deviation of each component of w [w_dim].
        encoder: What compares images besides pixels; None leaves that out.
        config: How.
        on_step: Called after each step; an exception stops the search.

    Raises:
        ArgumentError: The shapes do not fit.
    """
    config = config or OptimisationConfig()
    expected = (1, generator.num_ws, generator.w_dim)
    if start.shape != expected or image.ndim != 4 or image.shape[:2] != (1, 3):
        raise ArgumentError(
            f"the start is {list(start.shape)} and the image {list(image.shape)}, expected "
            f"{list(expected)} and [1, 3, H, W]"
        )
    size = (generator.img_resolution,) * 2
    wanted = F.interpolate(image, size, mode="bilinear", antialias=True)
    small = F.avg_pool2d(wanted, 4)
    seen = None if encoder is None else encoder.encode_image(wanted).detach()
    base = start.mean(dim=1, keepdim=True) if config.space == "w" else start
    scale = spread.clamp(min=1e-3 * float(spread.max()))
    offset = torch.zeros_like(base).requires_grad_()
    noises = _noise_images(generator) if config.noise else {}
    kept = {name: noise.detach().clone() for name, noise in noises.items()}
    free = [offset, *(noise.requires_grad_() for noise in noises.values())]
    optimiser = torch.optim.Adam(free, lr=config.learning_rate, betas=(0.9, 0.999))
    random = torch.Generator().manual_seed(config.seed)
    best, best_at, best_loss = base.expand(expected).clone(), 0, math.inf
    best_noises: dict[str, Tensor] = {}
    step = 0
    try:
        for step in range(1, config.steps + 1):
            share = (step - 1) / config.steps
            rate = min(1.0, (1 - share) / 0.25) * min(1.0, (share + 1 / config.steps) / 0.05)
            optimiser.param_groups[0]["lr"] = config.learning_rate * rate
            jitter = config.jitter * max(0.0, 1 - share / 0.75) ** 2
            drawn = torch.randn(base.shape, generator=random).to(base) * jitter
            latents = (base + (offset + drawn) * scale).expand(expected)
            made = generator.synthesize(latents)
            loss = config.pixel * (
                (made - wanted).square().mean() + (F.avg_pool2d(made, 4) - small).square().mean()
            )
            if encoder is not None and seen is not None:
                cosine = F.cosine_similarity(encoder.encode_image(made), seen)
                loss = loss + config.feature * (1 - cosine.mean())
            loss = loss + config.distance * offset.square().mean()
            for noise in noises.values():
                loss = loss + config.noise * noise_penalty(noise)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            value = loss.item()
            if value < best_loss * (1 - _LEAST_GAIN):
                best_at = step
            if value < best_loss:
                best_loss, best = value, latents.detach().clone()
                best_noises = {name: noise.detach().clone() for name, noise in noises.items()}
            optimiser.step()
            with torch.no_grad():
                for noise in noises.values():
                    noise.sub_(noise.mean()).div_(noise.square().mean().sqrt() + 1e-8)
            on_step(InversionProgress(step, value, best_loss))
            if config.early_stop and step - best_at >= _PATIENCE:
                break
    finally:
        with torch.no_grad():
            for name, noise in noises.items():
                noise.requires_grad_(False).copy_(kept[name])
    return Inversion(best, best_loss, step, best_noises)


def _noise_images(generator: Generator) -> dict[str, Tensor]:
    """The constant noise images of a StyleGAN2 by name."""
    if not isinstance(generator, nn.Module):
        return {}
    tensors = {**dict(generator.named_buffers()), **dict(generator.named_parameters())}
    return {name: tensor for name, tensor in tensors.items() if name.endswith("noise_const")}
