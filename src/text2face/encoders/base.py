"""The protocol of text-image encoders: text or image → embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["TextImageEncoder", "typical_norm"]

_FACES: Final = (
    "a face",
    "a photo of a young woman with long blonde hair",
    "an old man with a white beard and glasses",
    "this person is smiling and wears a hat",
)


@runtime_checkable
class TextImageEncoder(Protocol):
    """Two towers, one space; a text and a picture that match have a high cosine."""

    embedding_dim: int

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts → embeddings [N, embedding_dim]."""
        ...

    def encode_image(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] → embeddings [N, embedding_dim]; differentiable."""
        ...

    def unknown_words(self, text: str) -> list[str]:
        """The words of `text` that the encoder has never seen, in order, once each."""
        ...


@runtime_checkable
class WordEncoder(TextImageEncoder, Protocol):
    """An encoder with a list of words, which can say what it makes of a text."""

    def corrected_words(self, text: str) -> dict[str, str]:
        """The words of `text` that are taken for typing errors, and what they are read as."""
        ...

    def known_words(self) -> dict[str, tuple[str, ...]]:
        """The words that say something about a face, by what they speak of."""
        ...

    def speaks_of_a_face(self, text: str) -> bool:
        """Whether any word of `text` says something about a face, or names somebody."""
        ...


@torch.no_grad()
def typical_norm(encoder: TextImageEncoder) -> float:
    """The mean length of an encoder's text embeddings, over four descriptions of faces."""
    return float(encoder.encode_text(_FACES).float().norm(dim=1).mean())
