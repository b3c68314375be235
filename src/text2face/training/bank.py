"""The bank of a sampler: image embeddings, and the means of both modalities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError
from text2face.samplers.conditions import ConditionBank
from text2face.training.pairs import Pairs

__all__ = ["PHRASES", "embed_texts", "make_bank"]

_PEOPLE: Final = ("a woman", "a man", "a young woman", "a young man", "an old woman", "an old man")
_THINGS: Final = (
    "", "with black hair", "with blond hair", "with brown hair", "with red hair", "with grey hair",
    "with long hair", "with short hair", "with curly hair", "with glasses", "with a beard",
    "with a hat", "with a big smile", "with pale skin", "with dark skin", "with earrings",
)  # fmt: skip
PHRASES: Final = tuple(" ".join(filter(None, pair)) for pair in product(_PEOPLE, _THINGS))
"""Templated prompts that any encoder of faces knows; they need no pictures (C³, 2401.08567)."""

_BATCH: Final = 250


@torch.no_grad()
def make_bank(
    pairs: Pairs,
    encoder: TextImageEncoder,
    texts: Sequence[str] = PHRASES,
    size: int | None = None,
) -> ConditionBank:
    """The image embeddings that `samplers.conditions` chooses from, and the modalities' means.

    Args:
        pairs: Whose images.
        encoder: Embeds the texts.
        texts: Prompts of any faces, to find where texts lie.
        size: How many images; None = all.

    Raises:
        ArgumentError: There are no texts.
    """
    if not texts:
        raise ArgumentError("no texts; expected at least one, to find where texts lie")
    images = pairs.seen(slice(0, size))
    return ConditionBank(images, pairs.statistics()[0], embed_texts(encoder, texts).mean(dim=0))


@torch.no_grad()
def embed_texts(encoder: TextImageEncoder, texts: Sequence[str]) -> Tensor:
    """Texts → embeddings [N, D], L2-normalised, on the CPU."""
    rows = [
        F.normalize(encoder.encode_text(list(texts[i : i + _BATCH])).float(), dim=1).cpu()
        for i in range(0, len(texts), _BATCH)
    ]
    return torch.cat(rows)
