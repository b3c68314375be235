"""Train a CVAE sampler on pairs of latents and image embeddings; no text takes part."""

from __future__ import annotations

import copy
import io
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face._folders import atomic_file, make_folder
from text2face.errors import ArgumentError, CheckpointError
from text2face.samplers.cvae import CVAESampler, CVAESamplerConfig
from text2face.training.pairs import Pairs
from text2face.training.pseudo_text import PseudoText, PseudoTextConfig

__all__ = [
    "Progress",
    "Trainer",
    "TrainingConfig",
    "evidence_bound",
    "make_sampler",
    "train_sampler",
]

_POOL: Final = 8192  # pairs that neighbours are looked for in


@dataclass(frozen=True)
class TrainingConfig:
    """How a sampler is trained."""

    steps: int | None = None
    """Optimiser steps; None = by time alone."""
    minutes: float | None = 5.0
    """Time, counted over all runs; None = by steps alone."""
    batch_size: int = 256
    """Pairs in a step."""
    learning_rate: float = 1e-2
    """The peak of a one-cycle schedule (Adam, equalised learning rate)."""
    beta: float = 1.0
    """Weight of the KL divergence; 1 is the evidence bound."""
    free_bits: float = 0.0
    """Nats that each component of the code may carry at no cost (arXiv 1606.04934)."""
    ema: float = 0.999
    """Decay of the average of weights that is kept."""
    pseudo_text: PseudoTextConfig = field(default_factory=PseudoTextConfig)
    """How conditions are made from image embeddings."""
    consistency: float = 0.0
    """Weight of how much freely drawn samples miss their condition, by the cosine of the sampler's
    surrogate."""
    bfloat16: bool = True
    """Whether the networks compute in bfloat16."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range, or neither steps nor minutes are given.
        """
        if self.steps is None and self.minutes is None:
            raise ArgumentError("neither steps nor minutes are given; say how long to train")
        limits = [x for x in (self.steps, self.minutes, self.batch_size) if x is not None]
        weights = (self.beta, self.free_bits, self.consistency)
        if min(limits) <= 0 or min(weights) < 0 or not 0 <= self.ema < 1 or self.learning_rate <= 0:
            raise ArgumentError(
                f"bad training: got {self}, expected steps, minutes, batch_size and learning_rate "
                "above 0, beta, free_bits and consistency from 0, and ema from 0 to below 1"
            )


@dataclass(frozen=True)
class Progress:
    """What is reported while training."""

    step: int
    share: float
    """How much of the training is done, 0 to 1."""
    error: float
    """The mean square of what is not reconstructed, 1 = all of the latents' variance."""
    kl: float
    """Nats in the code, mean over samples."""
    miss: float
    """By how much freely drawn samples miss the condition, as a cosine; 0 if not trained."""
    pairs_per_second: float


def evidence_bound(
    target: Tensor,
    decoded: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    *,
    beta: float = 1.0,
    free_bits: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """The negative evidence bound with the decoder's best variance (σ-VAE, arXiv 2006.13202).

    That variance, the mean square error of the batch, balances reconstruction and KL divergence by
    itself; a fixed one makes the code collapse or the prior miss it.

    Args:
        target: Standardised latents [N, C].
        decoded: Their reconstruction [N, C].
        mean: μ of the posterior [N, code_dim].
        log_variance: log σ² of the posterior [N, code_dim].
        beta: Weight of the KL divergence.
        free_bits: Nats of each component that are not counted.

    Returns:
        The loss per component of the target, the mean square error, and the KL divergence in nats.
    """
    error = (target - decoded).square().mean()
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(dim=0)
    counted = divergence.clamp(min=free_bits).sum()
    loss = 0.5 * torch.log(error + 1e-5) + beta * counted / target.shape[1]
    return loss, error.detach(), divergence.sum().detach()


def make_sampler(pairs: Pairs, config: CVAESamplerConfig) -> CVAESampler:
    """Make an untrained sampler that knows the mean and the spread of the pairs."""
    sampler = CVAESampler(config)
    latents = pairs.latents.float()
    embeddings = F.normalize(pairs.embeddings.float(), dim=1)
    mean = embeddings.mean(dim=0)
    sampler.latent_mean.copy_(latents.mean(dim=0).expand_as(sampler.latent_mean))
    sampler.latent_std.copy_(latents.std(dim=0).clamp(min=1e-3).expand_as(sampler.latent_std))
    sampler.condition_mean.copy_(mean)
    sampler.condition_scale.copy_((embeddings - mean).square().mean().rsqrt().clamp(max=1e3))
    return sampler


class Trainer:
    """A sampler in training, with everything that a checkpoint must hold to go on from it."""

    def __init__(self, pairs: Pairs, sampler: CVAESampler, config: TrainingConfig) -> None:
        """Make ready for the first step.

        Args:
            pairs: What to learn from.
            sampler: Made by `make_sampler` from the same pairs; it is trained in place.
            config: How.
        """
        self.config = config
        self.sampler = sampler
        self.average = copy.deepcopy(sampler).eval().requires_grad_(False)
        self.embeddings = F.normalize(pairs.embeddings.float(), dim=1)
        self.latents = pairs.latents
        self.pseudo_text = PseudoText(self.embeddings[:_POOL], config.pseudo_text)
        self.random = torch.Generator().manual_seed(config.seed)
        networks = nn.ModuleList([sampler.decoders, sampler.posterior])
        self.optimiser = torch.optim.Adam(networks.parameters(), betas=(0.9, 0.99))
        self.surrogate_optimiser = torch.optim.Adam(sampler.surrogate.parameters(), lr=1e-3)
        self.step = 0
        self.seconds = 0.0

    @property
    def share(self) -> float:
        """How much of the training is done, 0 to 1."""
        config = self.config
        by_steps = self.step / config.steps if config.steps else 0.0
        by_time = self.seconds / (60 * config.minutes) if config.minutes else 0.0
        return min(max(by_steps, by_time), 1.0)

    def train_step(self) -> Progress:
        """Take one step."""
        began = time.monotonic()
        config, sampler, share = self.config, self.sampler, self.share
        for group in self.optimiser.param_groups:
            warmth = min(share / 0.05 + 0.01, 1.0)
            group["lr"] = config.learning_rate * warmth * 0.5 * (1 + math.cos(math.pi * share))
        for group in self.surrogate_optimiser.param_groups:
            group["lr"] = 1e-3 * 0.5 * (1.02 + math.cos(math.pi * share))
        rows = torch.randint(len(self.latents), (config.batch_size,), generator=self.random)
        target = sampler.standardise(self.latents[rows, None].expand(-1, sampler.num_ws, -1))
        embedding = self.embeddings[rows]
        text = self.pseudo_text(embedding, self.random)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            condition = sampler.prepare_condition(text)
            mean, log_variance = (part.float() for part in sampler.posterior(target, condition))
            drawn = torch.randn(mean.shape, generator=self.random)
            decoded = sampler.decode(mean + drawn * (0.5 * log_variance).exp(), condition)
            loss, error, divergence = evidence_bound(
                target,
                decoded.float(),
                mean,
                log_variance,
                beta=config.beta,
                free_bits=config.free_bits,
            )
            self._train_surrogate(target, embedding)
            miss = torch.zeros(())
            if config.consistency:
                miss = self._miss(embedding, text, condition)
                loss = loss + config.consistency * min(share / 0.2, 1.0) * miss
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        decay = min(config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), sampler.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        self.step += 1
        self.seconds += time.monotonic() - began
        return Progress(
            step=self.step,
            share=self.share,
            error=error.item(),
            kl=divergence.item(),
            miss=miss.item(),
            pairs_per_second=self.step * config.batch_size / self.seconds,
        )

    def _train_surrogate(self, target: Tensor, embedding: Tensor) -> None:
        blurred = target + 0.1 * torch.randn(target.shape, generator=self.random)
        loss = (1 - (self.sampler.surrogate(blurred) * embedding).sum(dim=1)).mean()
        self.surrogate_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.surrogate_optimiser.step()

    def _miss(self, embedding: Tensor, text: Tensor, condition: Tensor) -> Tensor:
        """By how much freely drawn samples are farther from their text than real images are.

        To ask for more would make every sample the most typical one.
        """
        z = torch.randn(len(text), self.sampler.config.code_dim, generator=self.random)
        surrogate = self.sampler.surrogate
        surrogate.requires_grad_(False)
        near = (surrogate(self.sampler.decode(z, condition)) * text).sum(dim=1)
        surrogate.requires_grad_(True)
        return F.relu((embedding * text).sum(dim=1).mean() - near.mean())

    def finish(self) -> CVAESampler:
        """The averaged weights, with the residual's principal axes, ready for use."""
        _fit_residual(self.average, self.latents[:_POOL], self.embeddings[:_POOL])
        return self.average

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all.

        Raises:
            OutputError: It cannot be written.
        """
        state = {name: part.state_dict() for name, part in self._parts().items()}
        buffer = io.BytesIO()
        torch.save(
            {
                **state,
                "random": self.random.get_state(),
                "step": self.step,
                "seconds": self.seconds,
                "config": repr(self.sampler.config),
            },
            buffer,
        )
        make_folder(path.parent)
        with atomic_file(path) as file:
            file.write(buffer.getvalue())

    def load(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: It is damaged or of another sampler.
        """
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
        except (OSError, RuntimeError, EOFError, LookupError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"cannot resume from {path} ({type(error).__name__}); delete it to start afresh"
            ) from None
        if state.get("config") != repr(self.sampler.config):
            raise CheckpointError(
                f"{path} is of another sampler: {state.get('config')}, expected "
                f"{self.sampler.config!r}; choose another folder, or delete it to start afresh"
            )
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.random.set_state(state["random"])
        self.step, self.seconds = state["step"], state["seconds"]

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "sampler": self.sampler,
            "average": self.average,
            "optimiser": self.optimiser,
            "surrogate_optimiser": self.surrogate_optimiser,
        }


def train_sampler(
    pairs: Pairs,
    sampler_config: CVAESamplerConfig,
    config: TrainingConfig | None = None,
    *,
    checkpoint: Path | None = None,
    save_every: float = 60.0,
    on_step: Callable[[Progress], object] = lambda progress: None,
) -> CVAESampler:
    """Train a sampler, or go on with one whose training was interrupted.

    Args:
        pairs: What to learn from.
        sampler_config: The sampler.
        config: The training.
        checkpoint: A file to save the state in and to resume from if it exists; None = neither.
        save_every: Seconds between checkpoints.
        on_step: Called after each step.

    Returns:
        The trained sampler, in evaluation mode and without gradients; its bank is empty.

    Raises:
        ArgumentError: The sampler does not fit the pairs.
        CheckpointError: The checkpoint is damaged or of another sampler.
        OutputError: The checkpoint cannot be written.
    """
    config = config or TrainingConfig()
    got = (pairs.latents.shape[1], pairs.embeddings.shape[1])
    if got != (sampler_config.w_dim, sampler_config.embedding_dim):
        raise ArgumentError(
            f"the pairs have w_dim and embedding_dim {got}, the sampler "
            f"{(sampler_config.w_dim, sampler_config.embedding_dim)}; expected the same"
        )
    torch.manual_seed(config.seed)
    trainer = Trainer(pairs, make_sampler(pairs, sampler_config), config)
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
    return trainer.finish()


@torch.no_grad()
def _fit_residual(sampler: CVAESampler, latents: Tensor, embeddings: Tensor) -> None:
    """Find the axes of what the decoder leaves out of w, scaled by their standard deviation."""
    if not sampler.config.residual_dim:
        return
    target = sampler.standardise(latents[:, None].expand(-1, sampler.num_ws, -1))
    condition = sampler.prepare_condition(embeddings)
    missing = target - sampler.decode(sampler.posterior(target, condition)[0], condition)
    values, vectors = torch.linalg.eigh(missing.T @ missing / len(missing))
    values, vectors = values.flip(0), vectors.flip(1)
    dim = sampler.config.residual_dim
    sampler.residual_basis.copy_((vectors * values.clamp(min=0).sqrt()).T[:dim])
