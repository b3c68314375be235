"""A second text-image encoder for scoring: the judge's eyes, and a text tower of its own.

Faces that were made with one encoder must not be scored by the same one. Any encoder that
`text2face.load_encoder` knows can score; where none is at hand, a small text tower is trained to
meet the features of the judge, which has never seen the first encoder
(`recipes/train_reader.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from text2face.encoders.compact import CompactConfig, TextTower
from text2face.encoders.vocabulary import PADDING, UNKNOWN, Vocabulary
from text2face.errors import CheckpointError
from text2face.evaluation.judge import Judge, round_to_bytes
from text2face.storage.folders import CONFIG_NAME, make_config, read_config, write_folder
from text2face.storage.networks import load_network, saved_state

__all__ = ["Reader", "ReaderConfig"]

TYPE: Final = "reader"


@dataclass(frozen=True)
class ReaderConfig:
    """The shape of a reader, and its words."""

    words: tuple[str, ...]
    """The known words, in the order of their ids."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Further words, each with the known words that it is read as."""
    feature_dim: int = 192
    """Of the judge."""
    embedding_dim: int = 128
    width: int = 96
    layers: int = 1
    heads: int = 4
    context: int = 80
    """Words read; the rest of a longer text is left out."""

    def __post_init__(self) -> None:
        """Take the words as JSON gives them."""
        object.__setattr__(self, "words", tuple(self.words))

    @property
    def tower(self) -> CompactConfig:
        """The text tower, of the same make as the compact encoder's."""
        return CompactConfig(
            words=self.words,
            embedding_dim=self.embedding_dim,
            text_width=self.width,
            text_layers=self.layers,
            text_heads=self.heads,
            context=self.context,
        )


class Reader(nn.Module):
    """Words or pictures → unit vectors [N, embedding_dim] (a `TextImageEncoder`)."""

    def __init__(self, config: ReaderConfig, judge: Judge) -> None:
        """Make an untrained reader that looks through a judge, which stays as it is."""
        super().__init__()
        self.config = config
        self.embedding_dim = config.embedding_dim
        self.vocabulary = Vocabulary(config.words, config.aliases)
        self.text = TextTower(config.tower, len(self.vocabulary))
        self.image = nn.Linear(config.feature_dim, config.embedding_dim)
        self._judge = (judge,)  # in a tuple, so that it is not saved with the reader

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts → embeddings [N, embedding_dim]."""
        rows = [self.vocabulary.encode(text)[: self.config.context] or [UNKNOWN] for text in texts]
        tokens = pad_sequence([torch.tensor(row) for row in rows], True, PADDING)
        return self.encode_tokens(tokens.to(self.text.positions.device))

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        """Word ids [N, L], padded behind → embeddings [N, embedding_dim]."""
        return F.normalize(self.text(tokens).float(), dim=1)

    def encode_image(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1], any size → embeddings [N, embedding_dim]."""
        return self.encode_features(self._judge[0].features(round_to_bytes(images)))

    def encode_features(self, features: Tensor) -> Tensor:
        """Features of the judge [N, feature_dim] → embeddings [N, embedding_dim]."""
        return F.normalize(self.image(features).float(), dim=1)

    def unknown_words(self, text: str) -> list[str]:
        """The words of `text` that the reader has never seen, in order, once each."""
        return self.vocabulary.unknown_words(text)

    @classmethod
    def from_pretrained(cls, folder: str | Path, judge: Judge) -> Reader:
        """Load a saved reader in evaluation mode, its parameters frozen.

        Raises:
            CheckpointError: The folder holds no reader, a damaged one, or one of another judge.
        """
        folder = Path(folder)
        content = read_config(folder)
        config = make_config(ReaderConfig, content, folder / CONFIG_NAME)
        if content["type"] != TYPE or config.feature_dim != judge.config.feature_dim:
            raise CheckpointError(
                f"{folder} holds a {content['type']!r} for {config.feature_dim} features, expected "
                f"a reader for the judge's {judge.config.feature_dim}; train one with "
                "python -m recipes.train_reader"
            )
        return load_network(lambda: cls(config, judge), folder)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` (fp16)."""
        write_folder(Path(folder), {"type": TYPE, **asdict(self.config)}, saved_state(self))
