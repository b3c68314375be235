"""From words to the embedding that the picture of the edited face should have.

A text's embedding lies elsewhere than those of pictures, and says nothing about what is not named.
But the bank of a sampler holds pictures: those like the face, and among them those that the words
fit as well. The difference of the two means, both on the pictures' side of the gap, is what the
words would change in this face, and it vanishes where they already fit.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.editing.base import Subject
from text2face.samplers.conditions import ConditionBank

__all__ = ["target"]

LIKENESS: Final = 0.05
"""The softness of nearness to the face, as a difference of cosines."""
FITNESS: Final = 0.02
"""The softness of nearness to the words."""
LENGTHS: Final = (0.5, 2.0)
"""How far the difference may be followed."""
TRIES: Final = 16


def target(subject: Subject, bank: ConditionBank | None) -> Tensor:
    """The embedding [1, D] of the face's picture once the words fit, L2-normalised.

    The difference is followed until the words fit as they fit the pictures of the bank that they
    describe. Without a bank, the difference is that of the texts.
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
    lengths = torch.linspace(*LENGTHS, TRIES, device=seen.device)[:, None]
    tried = F.normalize(seen + lengths * step, dim=1)
    enough = (tried @ wanted[0] >= described).float()
    first = int(enough.argmax()) if enough.any() else TRIES - 1
    return tried[first : first + 1]
