"""From words to the embedding that the picture of the edited face should have.

A text's embedding lies elsewhere than those of pictures, and says nothing about what is not named.
But the bank of a sampler holds pictures: those like the face, and among them those that the words
fit as well. The difference of the two means, both on the pictures' side of the gap, is what the
words would change in this face, and it vanishes where they already fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.editing.base import Subject
from text2face.samplers.base import LatentCritic
from text2face.samplers.conditions import ConditionBank

if TYPE_CHECKING:
    from text2face.pipeline import TextToFace

__all__ = ["approach", "target"]

LIKENESS: Final = 0.07
"""The softness of nearness to the face, as a difference of cosines."""
FITNESS: Final = 0.02
"""The softness of nearness to the words."""
LENGTHS: Final = (0.5, 2.0)
"""How far the difference may be followed; after the first look it may be left alone too."""
TRIES: Final = 16
ROUNDS: Final = 2
"""How often it is looked at."""

Move = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A latent [1, num_ws, w_dim], what is seen in it and what should be [1, D] → change of w."""


def approach(pipe: TextToFace, subject: Subject, move: Move, rounds: int = ROUNDS) -> Tensor:
    """The change of w by one move towards the aim, and more where the words do not fit yet.

    What the moves have made of the face is told by the sampler's critic, not by an image; a
    sampler without one moves once.

    Args:
        pipe: The pipeline.
        subject: The face.
        move: What follows from the aim.
        rounds: How many moves at most.
    """
    sampler = pipe.sampler
    critic = sampler if isinstance(sampler, LatentCritic) else None
    bank = getattr(sampler, "bank", None)
    total, seen = torch.zeros_like(subject.latent), subject.seen
    before = None if critic is None else critic.estimate(subject.latent)
    for looked in range(rounds):
        wanted = target(replace(subject, seen=seen), bank, least=0.0 if looked else LENGTHS[0])
        total = total + move(subject.latent + total, seen, wanted)
        if critic is None or before is None or bank is None:
            break
        difference = critic.estimate(subject.latent + total) - before
        seen = F.normalize(subject.seen + difference, dim=1)
    return total


def target(subject: Subject, bank: ConditionBank | None, *, least: float = LENGTHS[0]) -> Tensor:
    """The embedding [1, D] of the face's picture once the words fit, L2-normalised.

    The difference is followed until the words fit as they fit the pictures of the bank that they
    describe, but at least `least` times its length. Without a bank, the difference is that of the
    texts.
    """
    seen, wanted = subject.seen, subject.wanted
    if bank is None:
        source = wanted.new_zeros(wanted.shape) if subject.source is None else subject.source
        return F.normalize(seen + wanted - source, dim=1)
    images = bank.to(seen).embeddings
    likeness, fitness = seen @ images.T / LIKENESS, wanted @ images.T
    before = likeness
    if subject.source is not None:
        before = likeness + subject.source @ images.T / FITNESS
    after = likeness + fitness / FITNESS
    step = (after.softmax(dim=1) - before.softmax(dim=1)) @ images
    described = ((fitness / FITNESS).softmax(dim=1) * fitness).sum(dim=1)
    lengths = torch.linspace(least, LENGTHS[1], TRIES, device=seen.device)[:, None]
    tried = F.normalize(seen + lengths * step, dim=1)
    enough = (tried @ wanted[0] >= described).float()
    first = int(enough.argmax()) if enough.any() else TRIES - 1
    return tried[first : first + 1]
