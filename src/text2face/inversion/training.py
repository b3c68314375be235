"""Train the inversion encoder on images whose latents are known, then through the generator.

Every image that a generator draws comes with its latent, so most of the training is regression:

    L₁ = ‖ŵ − w‖² / var(w) + λ_look · (1 − cos(S(ŵ), S(w)))

S is the sampler's estimate of what an image looks like (`LatentCritic`), which makes what is seen
count more than what is large. In the last part, layers get codes of their own from coarse to fine,
one after another (e4e, arXiv 2102.02766, section 4.1), and the images themselves are compared:

    L₂ = L₁ + λ_pixel · ‖G(ŵ) − x‖² + λ_image · (1 − cos(E(G(ŵ)), E(x))) + λ_delta · Σ‖Δᵢ‖²
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError, CheckpointError
from text2face.generators.base import Generator
from text2face.inversion.encoder import InversionConfig, InversionEncoder
from text2face.precision import autocast
from text2face.samplers.base import LatentCritic
from text2face.training.checkpoint import load_training_state, save_training_state

__all__ = [
    "InversionData",
    "InversionStep",
    "InversionTrainer",
    "InversionTraining",
    "draw_data",
    "train_inversion",
]

_SMALL: Final = 8  # images in a step through the generator


@dataclass(frozen=True)
class InversionTraining:
    """How an inversion encoder is trained."""

    minutes: float = 7.0
    """Time, counted over all runs."""
    steps: int | None = None
    """Optimiser steps; None = by time."""
    batch_size: int = 64
    """Images in a step of regression."""
    learning_rate: float = 2e-3
    """The peak of a schedule that warms up and falls as a cosine (AdamW)."""
    look: float = 1.0
    """λ_look."""
    image_share: float = 0.25
    """The last part of the training, in which images are compared."""
    pixel: float = 1.0
    """λ_pixel."""
    image: float = 0.5
    """λ_image."""
    delta: float = 0.01
    """λ_delta, for codes in units of their standard deviation, mean over axes."""
    noise: float = 0.02
    """The spread of noise added to the images."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        weights = (self.look, self.pixel, self.image, self.delta, self.noise)
        lengths = (self.minutes, self.batch_size, self.learning_rate, self.steps or 1)
        if min(lengths) <= 0 or min(weights) < 0 or not 0 <= self.image_share <= 1:
            raise ArgumentError(
                f"bad training: got {self}, expected minutes, steps, batch_size and learning_rate "
                "above 0, weights from 0, and image_share from 0 to 1"
            )


@dataclass(frozen=True)
class InversionData:
    """Images and the latents that draw them."""

    images: NDArray[np.uint8]
    """[N, H, W, 3]; a memory map will do."""
    latents: Tensor
    """w [N, w_dim]."""

    def __post_init__(self) -> None:
        """Check the shapes.

        Raises:
            ArgumentError: They do not fit together.
        """
        shape = self.images.shape
        if len(shape) != 4 or shape[3] != 3 or len(self.latents) != shape[0] or not shape[0]:
            raise ArgumentError(
                f"the images are {list(shape)} and the latents {list(self.latents.shape)}, "
                "expected [N, H, W, 3] and [N, w_dim]"
            )


@dataclass(frozen=True)
class InversionStep:
    """What is reported while training."""

    step: int
    share: float
    """How much of the training is done, 0 to 1."""
    error: float
    """The share of the latents' variance that is missed, on the batch."""
    images_per_second: float


@torch.no_grad()
def draw_data(
    generator: Generator,
    count: int,
    seed: int = 0,
    batch_size: int = 16,
    on_batch: Callable[[int], object] = lambda made: None,
) -> InversionData:
    """Draw images with their latents: z → w → image.

    Raises:
        ArgumentError: The counts are not positive.
    """
    if count < 1 or batch_size < 1:
        raise ArgumentError(f"count is {count}, batch_size {batch_size}; expected at least 1")
    side = generator.img_resolution
    images = np.empty((count, side, side, 3), np.uint8)
    latents = torch.empty(count, generator.w_dim)
    z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    for start in range(0, count, batch_size):
        w = generator.map(z[start : start + batch_size])
        drawn = (generator.synthesize(w).clamp(-1, 1) + 1) * 127.5
        images[start : start + len(w)] = drawn.round().byte().permute(0, 2, 3, 1).numpy()
        latents[start : start + len(w)] = w[:, 0]
        on_batch(start + len(w))
    return InversionData(images, latents)


class InversionTrainer:
    """An encoder in training, with all that a checkpoint must hold to go on from it."""

    def __init__(
        self,
        sources: list[InversionData],
        encoder: InversionEncoder,
        config: InversionTraining,
        generator: Generator,
        critic: LatentCritic | None,
        judge: TextImageEncoder | None,
    ) -> None:
        """Make ready for the first step."""
        self.sources, self.encoder, self.config = sources, encoder, config
        self.generator, self.critic, self.judge = generator, critic, judge
        self.optimiser = torch.optim.AdamW(encoder.parameters(), weight_decay=0.01)
        self.random = torch.Generator().manual_seed(config.seed)
        self.spread = encoder.latent_axes.square().sum()
        self.step, self.seconds, self.seen = 0, 0.0, 0

    @property
    def share(self) -> float:
        """How much of the training is done, 0 to 1."""
        if self.config.steps:
            return min(self.step / self.config.steps, 1.0)
        return min(self.seconds / (60 * self.config.minutes), 1.0)

    @property
    def layers(self) -> int:
        """How many layers may differ by now: one, until images are compared; then ever more."""
        start = 1 - self.config.image_share
        if self.share < start or not self.config.image_share:
            return 1
        reached = (self.share - start) / self.config.image_share
        return 1 + math.ceil(reached * 1.25 * (self.encoder.num_ws - 1))

    def train_step(self) -> InversionStep:
        """Take one step."""
        began = time.monotonic()
        config, encoder, share = self.config, self.encoder.train(), self.share
        warmth = min(share / 0.05 + 0.02, 1.0) * 0.5 * (1.01 + math.cos(math.pi * share))
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * warmth
        images, latents = self._batch()
        noisy = images + config.noise * torch.randn(images.shape, generator=self.random)
        layers = min(self.layers, encoder.num_ws)
        with autocast("cpu"):
            code, differences = encoder(noisy, layers)
        code, differences = code.float(), differences.float()
        found = encoder.place(code)
        error = (found - latents).square().sum(dim=1).mean() / self.spread
        loss = error
        if self.critic is not None and config.look:
            loss = loss + config.look * _look(self.critic, found, latents, encoder.num_ws)
        if layers > 1:
            loss = loss + self._images(images[:_SMALL], code[:_SMALL], differences[:_SMALL])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        self.seen += len(images)
        self.seconds += time.monotonic() - began
        return InversionStep(self.step, self.share, error.item(), self.seen / self.seconds)

    def _batch(self) -> tuple[Tensor, Tensor]:
        """Images in [-1, 1] and their latents, from all sources alike."""
        pixels, latents = [], []
        size = max(self.config.batch_size // len(self.sources), 2)
        for source in self.sources:
            rows = torch.randint(len(source.latents), (size,), generator=self.random).sort().values
            pixels.append(torch.from_numpy(source.images[rows.numpy()]))
            latents.append(source.latents[rows].float())
        images = torch.cat(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
        order = torch.randperm(len(images), generator=self.random)
        return images[order], torch.cat(latents)[order]

    def _images(self, images: Tensor, code: Tensor, differences: Tensor) -> Tensor:
        config = self.config
        latents = self.encoder.place(code[:, None] + differences)
        with autocast("cpu"):
            drawn = self.generator.synthesize(latents)
        drawn = drawn.float()
        if drawn.shape != images.shape:
            images = F.interpolate(images, drawn.shape[-2:], mode="bilinear", antialias=True)
        loss = config.pixel * (drawn - images).square().mean()
        loss = loss + config.delta * differences.square().sum(dim=1).mean()
        if self.judge is not None and config.image:
            with torch.no_grad():
                wanted = self.judge.encode_image(images)
            seen = self.judge.encode_image(drawn)
            loss = loss + config.image * (1 - F.cosine_similarity(seen, wanted).mean())
        return loss

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all.

        Raises:
            OutputError: It cannot be written.
        """
        state = {
            "encoder": self.encoder.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": self.random.get_state(),
            "step": self.step,
            "seconds": self.seconds,
            "seen": self.seen,
            "config": repr(self.encoder.config),
        }
        save_training_state(path, state)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: It is damaged or of another encoder.
        """
        state = load_training_state(path)
        if state.get("config") != repr(self.encoder.config):
            raise CheckpointError(
                f"{path} is of another encoder: {state.get('config')}, expected "
                f"{self.encoder.config!r}; choose another folder, or delete it to start afresh"
            )
        self.encoder.load_state_dict(state["encoder"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.random.set_state(state["random"])
        self.step, self.seconds, self.seen = state["step"], state["seconds"], state["seen"]


def _look(critic: LatentCritic, found: Tensor, latents: Tensor, num_ws: int) -> Tensor:
    """By how much latents w [N, w_dim] look other than they should, as a cosine."""
    with torch.no_grad():
        wanted = critic.estimate(latents[:, None].expand(-1, num_ws, -1))
    seen = critic.estimate(found[:, None].expand(-1, num_ws, -1))
    return 1 - F.cosine_similarity(seen, wanted).mean()


def train_inversion(
    generator: Generator,
    sources: list[InversionData],
    config: InversionTraining | None = None,
    *,
    critic: LatentCritic | None = None,
    judge: TextImageEncoder | None = None,
    network: InversionConfig | None = None,
    checkpoint: Path | None = None,
    save_every: float = 60.0,
    on_step: Callable[[InversionStep], object] = lambda report: None,
) -> InversionEncoder:
    """Train an inversion encoder, or go on with one whose training was interrupted.

    Args:
        generator: Whose latents are to be found; it is not changed.
        sources: What to learn from, each giving the same number of images to a step: such as
            samples (`draw_data`), and images from elsewhere with latents that are known.
        config: The training.
        critic: What a latent looks like; None leaves λ_look out.
        judge: What compares images; None leaves λ_image out.
        network: The shape of the encoder, but for `num_ws` and `w_dim`; None = the default.
        checkpoint: A file to save the state in and to resume from if it exists; None = neither.
        save_every: Seconds between checkpoints.
        on_step: Called after each step.

    Returns:
        The trained encoder, in evaluation mode and without gradients.

    Raises:
        ArgumentError: There is nothing to learn from, or latents are of another generator.
        CheckpointError: The checkpoint is damaged or of another encoder.
        OutputError: The checkpoint cannot be written.
    """
    config = config or InversionTraining()
    if not sources or any(s.latents.shape[1:] != (generator.w_dim,) for s in sources):
        raise ArgumentError(
            f"the latents are {[list(s.latents.shape) for s in sources]}, expected at least one "
            f"source with latents [N, {generator.w_dim}]"
        )
    torch.manual_seed(config.seed)
    shape = {"num_ws": generator.num_ws, "w_dim": generator.w_dim}
    network = network or InversionConfig(rank=min(288, generator.w_dim))
    encoder = InversionEncoder(InversionConfig(**{**vars(network), **shape}))
    encoder.fit_axes(torch.cat([source.latents[:20_000].float() for source in sources]))
    trainer = InversionTrainer(sources, encoder, config, generator, critic, judge)
    if checkpoint is not None and checkpoint.exists():
        trainer.load(checkpoint)
    saved = trainer.seconds
    try:
        while trainer.share < 1:
            on_step(trainer.train_step())
            if checkpoint is not None and trainer.seconds - saved > save_every:
                trainer.save(checkpoint)
                saved = trainer.seconds
    finally:
        if checkpoint is not None:
            trainer.save(checkpoint)
    return encoder.eval().requires_grad_(False)
