"""Latent directions from words, learnt from pairs alone: no generator in the loop.

DeltaEdit's idea (Lyu et al. 2023, arXiv 2303.06285): the difference between two pictures'
embeddings is mapped to the difference between their latents, and a difference that words make is
put in its place. Latents of the bundled generator are nearly linear in what is seen, so the map is
a ridge regression, solved once in closed form.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.editing.base import Subject
from text2face.editing.targets import ROUNDS, approach
from text2face.errors import ArgumentError
from text2face.samplers.base import LatentCritic

if TYPE_CHECKING:
    from text2face.pipeline import TextToFace

__all__ = ["DirectionMap", "change", "fit_directions"]

_SAMPLES: Final = 8192
_SEED: Final = 1
_RIDGE: Final = 1e-3  # of the mean variance of an embedding's components
_MAPS: weakref.WeakKeyDictionary[object, DirectionMap] = weakref.WeakKeyDictionary()


class DirectionMap:
    """Differences of embeddings [N, D] → differences of latents [N, w_dim]."""

    def __init__(self, matrix: Tensor) -> None:
        """Hold the map [D, w_dim]."""
        self.matrix = matrix

    def __call__(self, difference: Tensor) -> Tensor:
        """Apply it."""
        return difference @ self.matrix.to(difference)


def fit_directions(latents: Tensor, embeddings: Tensor) -> DirectionMap:
    """Learn the map from pairs.

    Args:
        latents: w [N, w_dim].
        embeddings: The embeddings of their images [N, D].

    Raises:
        ArgumentError: The numbers differ, or are too few to learn from.
    """
    if len(latents) != len(embeddings) or len(latents) < 2:
        raise ArgumentError(
            f"{len(latents)} latents and {len(embeddings)} embeddings, expected as many of each "
            "and at least two"
        )
    seen = F.normalize(embeddings.double(), dim=1)
    seen = seen - seen.mean(dim=0)
    codes = latents.double() - latents.double().mean(dim=0)
    gram = seen.T @ seen
    ridge = _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return DirectionMap(torch.linalg.solve(gram + ridge, seen.T @ codes).float())


def change(
    pipe: TextToFace,
    subject: Subject,
    *,
    directions: DirectionMap | None = None,
    rounds: int = ROUNDS,
) -> Tensor:
    """The change of w at strength 1, see `EditMethod`.

    Args:
        pipe: The pipeline.
        subject: The face.
        directions: Made by `fit_directions` from pairs on disk; None learns the map once from
            latents and what the sampler's critic sees in them.
        rounds: See `targets.approach`.

    Raises:
        ArgumentError: There are no directions, and the sampler has no critic.
    """
    learnt = directions or _learnt(pipe)

    def move(latent: Tensor, seen: Tensor, wanted: Tensor) -> Tensor:
        return learnt(wanted - seen)[:, None].expand_as(latent)

    return approach(pipe, subject, move, rounds)


@torch.no_grad()
def _learnt(pipe: TextToFace) -> DirectionMap:
    sampler, generator = pipe.sampler, pipe.generator
    if not isinstance(sampler, LatentCritic):
        raise ArgumentError(
            f"the sampler is a {type(sampler).__name__}, which cannot tell what a latent looks "
            "like; pass directions=fit_directions(pairs.latents, pairs.embeddings)"
        )
    if sampler not in _MAPS:
        z = torch.randn(_SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(_SEED))
        rows = [generator.map(part.to(pipe.device)) for part in torch.split(z, 256)]
        seen = torch.cat([sampler.estimate(w) for w in rows]).cpu()
        _MAPS[sampler] = fit_directions(torch.cat([w[:, 0] for w in rows]).cpu(), seen)
    return _MAPS[sampler]
