"""Conditions that behave like texts, made from image embeddings alone.

A text names a few attributes of a face and leaves the rest open, so that its embedding is like the
mean of many images' embeddings. A sampler that has only seen conditions of single images takes
every unnamed attribute for named. What a text might have said is imitated without any text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.errors import ArgumentError
from text2face.training.random import Draws

__all__ = ["PseudoText", "PseudoTextConfig"]

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
        shares = (self.average, self.dropout)
        if self.noise < 0 or min(shares) < 0 or max(shares) > 1 or self.max_neighbours < 2:
            raise ArgumentError(
                f"bad pseudo-text: got {self}, expected noise from 0, average and dropout from 0 "
                "to 1, and max_neighbours from 2"
            )


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


def _log_uniform(low: int, high: int, share: float) -> int:
    return round(low * math.exp(share * math.log(high / low)))
