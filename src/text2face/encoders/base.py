"""The door every text-image encoder goes through: words or pictures → one space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor


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
