"""The target embedding of an edit.

A text's embedding lies elsewhere than those of pictures, and says nothing about what is not named.
But a bank holds pictures: those like the face, and among them those that the words fit as well. The
difference of the two means, both on the pictures' side of the gap, is what the words would change
in this face, and it vanishes where they already fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.editing.base import EditRequest
from text2face.samplers.base import LatentCritic
from text2face.samplers.conditions import ConditionBank

if TYPE_CHECKING:
    from text2face.model import FaceModel

__all__ = ["EditTarget", "find_target", "move_towards", "target_embedding"]

LIKENESS: Final = 0.07
"""The softness of nearness to the face, as a difference of cosines."""
FITNESS: Final = 0.02
"""The softness of nearness to the words."""
LENGTHS: Final = (0.5, 2.0)
"""How far the difference may be followed; after the first look it may be left alone too."""
TRIES: Final = 16
ROUNDS: Final = 2
"""How often it is looked at."""


@dataclass(frozen=True)
class EditTarget:
    """The target of an edit."""

    wanted: Tensor
    """The embedding that the picture should have [1, D], L2-normalised."""
    weights: Tensor
    """How much of each picture of the bank is added and taken away to get there [1, B]."""


Move = Callable[[Tensor, Tensor, EditTarget], Tensor]
"""A latent [1, num_ws, w_dim], what is seen in it [1, D], and the found → change of w."""


def move_towards(
    pipe: FaceModel,
    request: EditRequest,
    move: Move,
    bank: ConditionBank | None,
    *,
    rounds: int = ROUNDS,
    least: float = LENGTHS[0],
    likeness: float = LIKENESS,
) -> Tensor:
    """The change of w by one move towards the found, and more where the words do not fit yet.

    The sampler's critic estimates the embedding after each move, without an image; a
    sampler without one moves once.

    Args:
        pipe: The pipeline.
        request: The face.
        move: What follows from the found.
        bank: See `find_target`.
        rounds: How many moves at most.
        least: Of the first move, see `find_target`; the others may be nothing.
        likeness: See `find_target`.
    """
    sampler = pipe.sampler
    critic = sampler if isinstance(sampler, LatentCritic) and bank is not None else None
    total, seen = torch.zeros_like(request.latent), request.seen
    for looked in range(rounds if critic is not None else 1):
        now = replace(request, seen=seen)
        found = find_target(now, bank, least=0.0 if looked else least, likeness=likeness)
        total = total + move(request.latent + total, seen, found)
        if critic is not None:
            both = critic.estimate(torch.cat([request.latent, request.latent + total]))
            seen = F.normalize(request.seen + both[1:] - both[:1], dim=1)
    return total


def target_embedding(request: EditRequest, bank: ConditionBank | None) -> Tensor:
    """The embedding [1, D] of the face's picture once the words fit; see `find_target`."""
    return find_target(request, bank).wanted


def find_target(
    request: EditRequest,
    bank: ConditionBank | None,
    *,
    least: float = LENGTHS[0],
    likeness: float = LIKENESS,
) -> EditTarget:
    """Follow the difference until the words fit as they fit the pictures that they describe.

    Args:
        request: The face and the words.
        bank: Pictures; None takes the difference of the texts, and gives no weights.
        least: The difference is followed for at least this much of its length.
        likeness: The softness of nearness to the face: a small one makes the face's nearest
            pictures speak for it, a large one averages over more of them.
    """
    seen, wanted = request.seen, request.wanted
    if bank is None:
        source = wanted.new_zeros(wanted.shape) if request.source is None else request.source
        return EditTarget(F.normalize(seen + wanted - source, dim=1), seen.new_zeros(1, 0))
    images = bank.embeddings.to(seen)
    near, fitness = seen @ images.T / likeness, wanted @ images.T
    before = near
    if request.source is not None:
        before = near + request.source @ images.T / FITNESS
    weights = (near + fitness / FITNESS).softmax(dim=1) - before.softmax(dim=1)
    described = ((fitness / FITNESS).softmax(dim=1) * fitness).sum(dim=1)
    lengths = torch.linspace(least, LENGTHS[1], TRIES, device=seen.device)[:, None]
    tried = F.normalize(seen + lengths * (weights @ images), dim=1)
    enough = (tried @ wanted[0] >= described).float()
    chosen = int(enough.argmax()) if enough.any() else TRIES - 1
    return EditTarget(tried[chosen : chosen + 1], weights * lengths[chosen])
