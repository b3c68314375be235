"""The judge: a classifier that counts which attributes a face shows.

A judge is used for nothing but counting: no part of the package may be trained against it.
`recipes/train_judge.py` trains one on rendered faces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.convolution import trunk
from text2face.errors import ArgumentError
from text2face.storage.saved import SavedModule

__all__ = ["Judge", "JudgeConfig", "Predictions", "read", "round_to_bytes"]


@dataclass(frozen=True)
class JudgeConfig:
    """What a judge tells apart, and its shape."""

    labels: Mapping[str, tuple[str, ...]]
    """The classes of each attribute."""
    resolution: int = 128
    """Pictures are resized to this side; a multiple of 8 patches."""
    patch: int = 4
    """Side of the patches that the first layer reads."""
    width: int = 32
    feature_dim: int = 192

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: There is nothing to tell apart, or a size is out of range.
        """
        labels = {name: tuple(classes) for name, classes in self.labels.items()}
        object.__setattr__(self, "labels", labels)
        if not labels or min(map(len, labels.values())) < 2:
            raise ArgumentError(f"labels are {labels}, expected attributes of at least two classes")
        sizes = (self.resolution, self.patch, self.width, self.feature_dim)
        if min(sizes) < 1 or self.resolution % (8 * self.patch):
            raise ArgumentError(
                f"bad sizes: got {self}, expected a resolution that 8 patches divide, and a width "
                "and feature_dim from 1"
            )


class Judge(SavedModule):
    """A small residual network with one softmax head per attribute.

    The features are taken from a 4×4 layout of the face, since a hat and a beard differ by place.
    """

    kind = "judge"
    config_class = JudgeConfig
    config: JudgeConfig

    def __init__(self, config: JudgeConfig) -> None:
        """Make an untrained judge."""
        super().__init__()
        self.config = config
        self.trunk = trunk(config.resolution, config.width, config.feature_dim, config.patch)
        self.heads = nn.ModuleDict(
            {
                name: nn.Linear(config.feature_dim, len(classes))
                for name, classes in config.labels.items()
            }
        )

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """The classes of each attribute."""
        return self.config.labels

    def features(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] → features [N, feature_dim] for Fréchet distances."""
        return self.trunk(resize(images, self.config.resolution))  # type: ignore[no-any-return]

    def classify(self, features: Tensor) -> dict[str, Tensor]:
        """Features [N, feature_dim] → logits [N, classes] per attribute."""
        return {name: head(F.relu(features)) for name, head in self.heads.items()}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images [N, 3, H, W] in [-1, 1] → logits [N, classes] per attribute."""
        return self.classify(self.features(images))


@dataclass(frozen=True)
class Predictions:
    """The judge's features and classes of N pictures."""

    features: NDArray[np.float32]
    """[N, feature_dim]."""
    classes: Mapping[str, NDArray[np.int64]]
    """The class numbers [N] of each attribute."""

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Predictions:
        """Some of the pictures."""
        return Predictions(
            self.features[rows], {name: seen[rows] for name, seen in self.classes.items()}
        )


def read(judge: Judge, batches: Iterable[Tensor]) -> Predictions:
    """Show batches of images [N, 3, H, W] in [-1, 1] to the judge."""
    features: list[NDArray[np.float32]] = []
    classes: dict[str, list[NDArray[np.int64]]] = {name: [] for name in judge.labels}
    for images in batches:  # which may need gradients to come about
        with torch.inference_mode():
            seen = judge.features(round_to_bytes(images))
            logits = judge.classify(seen)
        features.append(seen.float().cpu().numpy())
        for name, scores in logits.items():
            classes[name].append(scores.argmax(1).cpu().numpy())
    return Predictions(
        np.concatenate(features), {name: np.concatenate(parts) for name, parts in classes.items()}
    )


def round_to_bytes(images: Tensor) -> Tensor:
    """Eight bits, as every saved picture has: images in [-1, 1] → the same range."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def resize(images: Tensor, size: int) -> Tensor:
    """Images [N, 3, H, W] in [-1, 1] → [N, 3, size, size], clamped."""
    if images.shape[-2:] != (size, size):
        images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
    return images.clamp(-1, 1)
