"""What a sampler is trained for: each objective turns a batch into a loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError
from text2face.generators.base import Generator
from text2face.registry import find, register
from text2face.samplers.cvae import CVAESampler
from text2face.samplers.fast_text2stylegan import FastText2StyleGANSampler
from text2face.samplers.flow import FlowSampler
from text2face.samplers.saved import SavedSampler
from text2face.samplers.standardised import StandardisedSampler
from text2face.training.chunks import in_chunks
from text2face.training.config import TrainingConfig
from text2face.training.distributed import global_mean, mean_across
from text2face.training.features import FeatureDistance
from text2face.training.pseudo_text import PseudoText
from text2face.training.random import Draws

__all__ = [
    "Batch", "Frozen", "Objective", "divergence", "energy_score", "evidence_bound",
    "make_objective",
]  # fmt: skip

_RAMP: Final = 0.2
"""Over so much of the training the consistency gets its whole weight."""
_BLUR: Final = 0.1
"""Noise on the latents that the surrogate learns from, so that it knows what lies between."""
_DRAWN: Final = ("free", "twin")

Loss = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class Batch:
    """This process's items of a step."""

    embeddings: Tensor
    """[N, D], L2-normalised."""
    latents: Tensor | None
    """[N, num_ws, w_dim]; None if there are only photos."""
    images: Tensor | None
    """[N, 3, H, W] in [-1, 1]; None if the generator makes them."""
    draws: Draws
    share: float
    """How much of the training is done, 0 to 1."""


@dataclass(frozen=True)
class Frozen:
    """The frozen networks that a loss may use."""

    generator: Generator | None = None
    encoder: TextImageEncoder | None = None
    features: Callable[[Tensor, Tensor], Tensor] | None = None
    """Images [N, 3, H, W] in [-1, 1], twice → distances [N] (or [N, 1, 1, 1], as LPIPS gives)."""

    def required(self, purpose: str) -> tuple[Generator, TextImageEncoder]:
        """Generator and encoder.

        Raises:
            ArgumentError: One of them was not given.
        """
        if self.generator is None or self.encoder is None:
            raise ArgumentError(
                f"{purpose} needs the generator and the encoder, got "
                f"{'no generator' if self.generator is None else 'no encoder'}; give both"
            )
        return self.generator, self.encoder


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) in nats, elementwise."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


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
    error = global_mean((target - decoded).square().mean())
    nats = global_mean(divergence(mean, log_variance).mean(dim=0))
    counted = nats.clamp(min=free_bits).sum()
    loss = 0.5 * torch.log(error + 1e-5) + beta * counted / target.shape[1]
    return loss, error.detach(), nats.sum().detach()


def energy_score(target: Tensor, drawn: Tensor, twin: Tensor) -> Tensor:
    """The energy score, ½(‖a - x‖ + ‖b - x‖ - ‖a - b‖)/√C, of two draws a and b for each target x.

    Its mean is least if, and only if, draws have the distribution of the targets (strictly proper:
    Gneiting and Raftery 2007, section 4.3; learning by it: engression, arXiv 2307.00835).

    Args:
        target: [N, C].
        drawn: [N, C].
        twin: As many independent draws [N, C].
    """
    x, a, b = target.float(), drawn.float(), twin.float()
    misses = (a - x).norm(dim=1) + (b - x).norm(dim=1) - (a - b).norm(dim=1)
    score: Tensor = misses.mean() / (2 * math.sqrt(target.shape[1]))
    return score


class Objective(nn.Module):
    """A sampler, and the loss that trains it."""

    sampler_class: ClassVar[type[SavedSampler]]
    """What it trains."""

    def __init__(
        self, sampler: nn.Module, config: TrainingConfig, pool: Tensor, frozen: Frozen
    ) -> None:
        """Make ready.

        Args:
            sampler: What is trained.
            config: How.
            pool: Image embeddings [M, D] that pseudo-texts are made of.
            frozen: What it may look through.
        """
        super().__init__()
        self.sampler = sampler
        self.config = config
        self.frozen = frozen  # in a dataclass, so that their weights are none of this module's
        self.pseudo_text = PseudoText(pool, config.pseudo_text)
        if config.generator_consistency:
            frozen.required("consistency through the generator")

    @property
    def main_parameters(self) -> list[nn.Parameter]:
        """What the learning rate of the config is for."""
        others = {id(parameter) for parameter in self.surrogate_parameters}
        return [p for p in self.sampler.parameters() if id(p) not in others]

    @property
    def surrogate_parameters(self) -> list[nn.Parameter]:
        """What learns at a rate of its own."""
        surrogate = getattr(self.sampler, "surrogate", None)
        return [] if surrogate is None else list(surrogate.parameters())

    def forward(self, batch: Batch) -> Loss:
        """The loss of this process's items, to be averaged over processes, and what to report."""
        raise NotImplementedError


class LatentObjective(Objective):
    """What all objectives share that need but latents: the surrogate, and judges of free draws."""

    sampler: StandardisedSampler

    def forward(self, batch: Batch) -> Loss:
        """See `Objective`."""
        if batch.latents is None:
            raise ArgumentError(
                f"the objective {self.config.objective!r} learns latents and these pairs are of "
                "photos without them; use the preset 'cvae', or invert the photos first"
            )
        config, draws = self.config, batch.draws
        target = self.sampler.standardise(batch.latents)
        text = self.pseudo_text(batch.embeddings, draws)
        condition = self.sampler.prepare_condition(text)
        loss, report = self.fit(target, condition, draws)
        seen_by_surrogate = config.consistency and batch.share >= config.consistency_from
        seen_by_encoder = config.generator_consistency and batch.share >= config.generator_from
        free = None
        if config.energy:
            free, twin = (self.draw(condition, draws, slice(None), name) for name in _DRAWN)
            report["energy"] = energy_score(target, free, twin)
            loss = loss + config.energy * report["energy"]
        if seen_by_surrogate:
            some = self._some(len(text), config.consistency_batch, draws.start)
            drawn = self.draw(condition, draws, some) if free is None else free[some]
            weight = config.consistency * min((batch.share - config.consistency_from) / _RAMP, 1)
            report["miss"] = self._miss(drawn, batch.embeddings[some], text[some])
            loss = loss + weight * report["miss"]
        if seen_by_encoder:
            some = self._some(len(text), config.generator_batch, draws.start)
            drawn = self.draw(condition, draws, some)
            report["generator_miss"] = self._generator_miss(drawn, text[some])
            loss = loss + config.generator_consistency * report["generator_miss"]
        blurred = target + _BLUR * draws.normal("surrogate", target.shape[1]).to(target)
        seen = self.sampler.surrogate(blurred)
        report["surrogate"] = unseen = (1 - (seen * batch.embeddings).sum(dim=1)).mean()
        return loss + unseen, report

    def fit(self, target: Tensor, condition: Tensor, draws: Draws) -> Loss:
        """The loss on standardised latents [N, C] under prepared conditions [N, D]."""
        raise NotImplementedError

    def draw(self, condition: Tensor, draws: Draws, some: slice, name: str = "free") -> Tensor:
        """Standardised latents [n, C] of some items, drawn freely as `sample` would.

        Another name is another, independent draw.
        """
        raise NotImplementedError

    def _some(self, count: int, wanted: int | None, start: int) -> slice:
        """Every so many of this rank's items, counted through the batch of all ranks."""
        every = max(self.config.batch_size // (wanted or self.config.batch_size), 1)
        first = -start % every
        return slice(first if first < count else 0, None, every)

    def _miss(self, drawn: Tensor, embedding: Tensor, text: Tensor) -> Tensor:
        """By how much freely drawn samples are farther from their text than real images are.

        To ask for more would make every sample the most typical one.
        """
        fixed = {name: p.detach() for name, p in self.sampler.surrogate.named_parameters()}
        near = (functional_call(self.sampler.surrogate, fixed, (drawn,)) * text).sum(dim=1)
        return F.relu(global_mean((embedding * text).sum(dim=1).mean() - near.mean()))

    def _generator_miss(self, drawn: Tensor, text: Tensor) -> Tensor:
        """1 - cos(E(G(w)), e)."""
        generator, encoder = self.frozen.required("consistency through the generator")

        def judge(w: Tensor, wanted: Tensor) -> tuple[Tensor]:
            images = generator.synthesize(w).clamp(-1, 1)
            return (F.cosine_similarity(encoder.encode_image(images).float(), wanted),)

        w = self.sampler.restore(drawn.float())
        return 1 - in_chunks(judge, generator.img_resolution, w, text)[0].mean()


@register("objective", "bound")
class BoundObjective(LatentObjective):
    """The CVAE by its evidence bound."""

    sampler_class = CVAESampler
    sampler: CVAESampler

    def fit(self, target: Tensor, condition: Tensor, draws: Draws) -> Loss:
        """See `LatentObjective`."""
        mean, log_variance, decoded = _through(self.sampler, target, condition, draws)
        loss, error, nats = evidence_bound(
            target,
            decoded,
            mean,
            log_variance,
            beta=self.config.kl,
            free_bits=self.config.free_bits,
        )
        return loss, {"error": error, "kl": nats}

    def draw(self, condition: Tensor, draws: Draws, some: slice, name: str = "free") -> Tensor:
        """See `LatentObjective`."""
        z = draws.normal(name, self.sampler.config.code_dim)[some].to(condition)
        return self.sampler.decode(z, condition[some])


@register("objective", "outline")
class OutlineObjective(BoundObjective):
    """The CVAE by summed square error + β·KL, the published outline in latent space."""

    def fit(self, target: Tensor, condition: Tensor, draws: Draws) -> Loss:
        """See `LatentObjective`."""
        mean, log_variance, decoded = _through(self.sampler, target, condition, draws)
        error = (target - decoded).square().sum(dim=1).mean()
        nats = divergence(mean, log_variance).sum(dim=1).mean()
        return error + self.config.kl * nats, {"error": error / target.shape[1], "kl": nats}


@register("objective", "flow")
class FlowObjective(LatentObjective):
    """Flow matching, or denoising, with the condition left out at times."""

    sampler_class = FlowSampler
    sampler: FlowSampler

    def fit(self, target: Tensor, condition: Tensor, draws: Draws) -> Loss:
        """See `LatentObjective`."""
        noise = draws.normal("noise", target.shape[1]).to(target)
        time = draws.uniform("time").to(target)
        known = (draws.uniform("known") >= self.config.unconditional).to(target)
        blend = self.sampler.blend(target, noise, time)
        predicted = self.sampler.predict(blend, time, condition, known).float()
        error = (predicted - self.sampler.target(target, noise)).square().mean()
        return error, {"error": error}

    def draw(self, condition: Tensor, draws: Draws, some: slice, name: str = "free") -> Tensor:
        """See `LatentObjective`."""
        z = draws.normal(name, self.sampler.z_dim)[some].to(condition)
        return self.sampler.follow(z, condition[some], self.sampler.config.steps)


@register("objective", "images")
class ImageObjective(Objective):
    """The paper's: image posterior, and losses on what generator and encoder make of w."""

    sampler_class = FastText2StyleGANSampler
    sampler: FastText2StyleGANSampler

    def __init__(
        self, sampler: nn.Module, config: TrainingConfig, pool: Tensor, frozen: Frozen
    ) -> None:
        """Make ready; see `Objective`."""
        super().__init__(sampler, config, pool, frozen)
        _, encoder = frozen.required("the objective 'images'")
        measure = FeatureDistance(encoder) if frozen.features is None else frozen.features
        # Not the thing itself: a module would become a part of this one.
        self._distance: Callable[[Tensor, Tensor], Tensor] = lambda a, b: measure(a, b)
        for module in sampler.modules():
            if hasattr(module, "across"):  # batch statistics are those of all processes
                cast("Any", module).across = mean_across

    def forward(self, batch: Batch) -> Loss:
        """See `Objective`."""
        config, sampler = self.config, self.sampler
        generator, encoder = self.frozen.required("the objective 'images'")
        text = self.pseudo_text(batch.embeddings, batch.draws)
        condition = F.normalize(text, dim=1) * sampler.config.embedding_norm
        images, side = batch.images, generator.img_resolution
        if images is None:
            if batch.latents is None:
                raise ArgumentError("these pairs hold neither latents nor images; make them again")
            with torch.no_grad():
                (images,) = in_chunks(_drawn_by(generator), side, batch.latents)
        mean, log_variance = sampler.infer(images, condition)
        z = mean + batch.draws.normal("code", mean.shape[1]).to(mean) * (0.5 * log_variance).exp()
        latents = sampler.decode(z, condition)

        def judge(w: Tensor, real: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
            drawn = generator.synthesize(w).clamp(-1, 1)
            side = min(drawn.shape[-1], sampler.config.image_size)
            distance = self._distance(_resize(drawn, side), _resize(real, side))
            cosine = F.cosine_similarity(encoder.encode_image(drawn).float(), wanted)
            return distance, cosine

        distance, cosine = in_chunks(judge, side, latents, images, text)
        features = distance.mean()
        norm = (latents - sampler.latent_mean).flatten(1).norm(dim=1).mean()
        nats = divergence(mean, log_variance).sum(dim=1).mean()
        report = {"features": features, "miss": (1 - cosine).mean(), "norm": norm, "kl": nats}
        loss = (
            config.features * features
            + config.similarity * report["miss"]
            + config.latent_norm * norm
            + config.kl * nats / mean.shape[1]
        )
        return loss, report


def _through(
    sampler: CVAESampler, target: Tensor, condition: Tensor, draws: Draws
) -> tuple[Tensor, Tensor, Tensor]:
    """μ and log σ² of the posterior, and what a draw of it is decoded to."""
    mean, log_variance = (part.float() for part in sampler.posterior(target, condition))
    drawn = draws.normal("code", mean.shape[1]).to(mean)
    decoded = sampler.decode(mean + drawn * (0.5 * log_variance).exp(), condition)
    return mean, log_variance, decoded.float()


def _drawn_by(generator: Generator) -> Callable[[Tensor], tuple[Tensor]]:
    return lambda w: (generator.synthesize(w).clamp(-1, 1),)


def _resize(images: Tensor, side: int) -> Tensor:
    if images.shape[2:] == (side, side):
        return images
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True)


def make_objective(
    sampler: nn.Module, config: TrainingConfig, pool: Tensor, frozen: Frozen | None = None
) -> Objective:
    """The objective that a config names; arguments as for `Objective`."""
    made = find("objective", config.objective)(sampler, config, pool, frozen or Frozen())
    return cast("Objective", made)
