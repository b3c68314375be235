"""What recipes and benchmarks measure with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from recipes.faces.attributes import JUDGED
from text2face.errors import CheckpointError
from text2face.evaluation.judge import Judge

__all__ = ["load_judge", "recall"]


def load_judge(folder: Path) -> Judge:
    """The judge of rendered faces.

    Raises:
        CheckpointError: It tells other attributes apart than the renders have.
    """
    judge = Judge.from_pretrained(folder)
    if judge.labels != JUDGED:
        raise CheckpointError(
            f"{folder}: expected a judge of the present attributes; train one with "
            "python -m recipes.train_judge"
        )
    return judge


def recall(images: Tensor, texts: Tensor, ranks: Sequence[int] = (1, 10)) -> dict[str, float]:
    """How often the own partner is among the k nearest, both ways: embeddings [N, D] each."""
    similar = texts @ images.T
    own = similar.diagonal()
    result = {}
    for name, order in (
        ("text→image", (similar > own[:, None]).sum(1)),
        ("image→text", (similar > own[None, :]).sum(0)),
    ):
        result.update({f"{name} R@{k}": float((order < k).float().mean()) for k in ranks})
    return result
