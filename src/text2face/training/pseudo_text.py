"""Conditions that behave like texts, made from image embeddings alone.

A text names a few attributes of a face and leaves the rest open, so that its embedding is like the
mean of many images' embeddings. A sampler that has only seen conditions of single images takes
every unnamed attribute for named. What a text might have said is imitated without any text.

`PseudoText` does so in training. For a single image, `sample_near` gives embeddings that a text of
it might have had, and `nearest_phrases` the phrases of a list that come nearest to it: the encoder
as a teacher that needs no captions.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.checks import check_count, check_number
from text2face.errors import ArgumentError, quoted
from text2face.training.random import Draws

__all__ = ["PseudoText", "PseudoTextConfig", "nearest_phrases", "sample_near"]

_GROUP: Final = 32  # items that share a subspace and a number of neighbours


@dataclass(frozen=True)
class PseudoTextConfig:
    """How often and how strongly image embeddings are turned into pseudo-texts."""

    noise: float = 0.0
    """The largest ξ of e + ξ·ε/‖ε‖, drawn uniformly from 0 (LAFITE, arXiv 2111.13792)."""
    average: float = 0.0
    """The share of conditions that are means of images alike in a random subspace."""
    max_neighbours: int = 256
    """Of how many images at most; the number is drawn log-uniformly from 2."""
    dropout: float = 0.0
    """The share of conditions that say nothing: the mean of all images."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        check_number("pseudo_text.noise", self.noise, 0, 1e6)
        check_number("pseudo_text.average", self.average, 0, 1)
        check_number("pseudo_text.dropout", self.dropout, 0, 1)
        check_count("pseudo_text.max_neighbours", self.max_neighbours, least=2, most=10**9)


def make_pseudo_text(fields: Mapping[str, Any]) -> PseudoTextConfig:
    """The configuration of some fields by name.

    Raises:
        ArgumentError: There is no such field, or a value is out of range.
    """
    known = [field.name for field in dataclasses.fields(PseudoTextConfig)]
    if unknown := sorted(fields.keys() - set(known)):
        raise ArgumentError(
            f"pseudo_text has no {quoted(unknown[0])}; expected one of {', '.join(known)}"
        )
    return PseudoTextConfig(**fields)


class PseudoText:
    """Turns image embeddings into pseudo-texts."""

    def __init__(self, pool: Tensor, config: PseudoTextConfig | None = None) -> None:
        """Prepare the pool.

        Args:
            pool: Image embeddings [M, D] that neighbours are taken from, L2-normalised.
            config: What to do.
        """
        self.config = config or PseudoTextConfig()
        self.pool = F.normalize(pool.float(), dim=1)
        self.mean = self.pool.mean(dim=0)
        if not self.config.average:
            return
        # Whitened, all directions of the embedding space count alike in a random subspace.
        centred = self.pool - self.mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(pool))
        keep = values > 1e-4 * values[-1]
        self._whitening = vectors[:, keep] * values[keep].rsqrt()
        self._whitened = centred @ self._whitening

    def __call__(self, embeddings: Tensor, draws: Draws) -> Tensor:
        """Image embeddings [N, D] → pseudo-texts [N, D], L2-normalised."""
        config = self.config
        out = F.normalize(embeddings.float(), dim=1)
        if config.average:
            chosen = draws.uniform("pseudo-text")[:, 0] < config.average
            for group, items in draws.groups(_GROUP):
                rows = items.start + chosen[items].nonzero().flatten().to(out.device)
                if len(rows):
                    out[rows] = self._average(out[rows], group)
        if config.noise:
            direction = F.normalize(draws.normal("direction", out.shape[1]).to(out), dim=1)
            strength = config.noise * draws.uniform("strength").to(out)
            out = F.normalize(out + strength * direction, dim=1)
        if config.dropout:
            silent = (draws.uniform("silence")[:, 0] < config.dropout).to(out.device)
            out = torch.where(silent[:, None], F.normalize(self.mean, dim=0), out)
        return out

    def _average(self, embeddings: Tensor, draws: Draws) -> Tensor:
        """The mean of the images nearest to each of [N, D] in one random subspace."""
        size, whitened_dim = self._whitened.shape
        first, second = draws.uniform("subspace", 2)[0].tolist()
        rank = _log_uniform(1, whitened_dim, first)
        neighbours = _log_uniform(2, min(self.config.max_neighbours, size), second)
        flat = draws.normal("axes", whitened_dim * rank).to(embeddings)
        subspace = flat.view(whitened_dim, rank)
        places = (embeddings - self.mean) @ (self._whitening @ subspace)
        distances = torch.cdist(places, self._whitened @ subspace)
        nearest = distances.topk(neighbours, dim=1, largest=False).indices
        return F.normalize(self.pool[nearest].mean(dim=1), dim=1)


def sample_near(embedding: Tensor, count: int, *, strength: float = 0.5, seed: int = 0) -> Tensor:
    """Pseudo-texts of an image: embeddings around it, ê + ξ·ε/‖ε‖ (LAFITE, arXiv 2111.13792).

    Args:
        embedding: Of the image [D].
        count: How many.
        strength: ξ; the cosine to the image is about 1/√(1 + ξ²).
        seed: Of the draws.

    Returns:
        [count, D], L2-normalised.

    Raises:
        ArgumentError: A number is out of range, or the embedding is of another shape.
    """
    if embedding.ndim != 1 or count < 1 or strength < 0:
        raise ArgumentError(
            f"embedding {list(embedding.shape)}, count {count}, strength {strength}; expected "
            "[D], at least 1, and from 0"
        )
    direction = F.normalize(Draws(seed, 0, 0, count).normal("near", len(embedding)), dim=1)
    around = F.normalize(embedding.float(), dim=0) + strength * direction.to(embedding)
    return F.normalize(around, dim=1)


def nearest_phrases(
    image: Tensor, texts: Tensor, phrases: Sequence[str], count: int = 5
) -> list[tuple[str, float]]:
    """The phrases that come nearest to an image, best first.

    What all phrases have in common is taken away first, so that a phrase counts by what sets it
    apart and the gap between texts and images does not matter.

    Args:
        image: The image's embedding [D].
        texts: The phrases' embeddings [N, D].
        phrases: N of them.
        count: How many to give.

    Returns:
        Phrases, and the cosine between image and phrase without the phrases' mean.

    Raises:
        ArgumentError: The numbers differ, or there are fewer than two phrases.
    """
    if len(phrases) < 2 or len(phrases) != len(texts) or texts.shape[1:] != image.shape:
        raise ArgumentError(
            f"{len(phrases)} phrases, texts {list(texts.shape)}, image {list(image.shape)}; "
            "expected at least two phrases, [N, D] and [D]"
        )
    unit = F.normalize(texts.float(), dim=1)
    mean = unit.mean(dim=0)
    cosines = F.normalize(unit - mean, dim=1) @ F.normalize(image.float(), dim=0)
    best = cosines.topk(min(max(count, 1), len(phrases)))
    return [
        (phrases[i], value)
        for i, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _log_uniform(low: int, high: int, share: float) -> int:
    return round(low * math.exp(share * math.log(high / low)))
