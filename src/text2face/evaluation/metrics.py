"""Sets of feature vectors and labels → numbers; all in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from text2face.errors import ArgumentError

__all__ = [
    "Manifolds",
    "entropy",
    "entropy_spread",
    "frechet_distance",
    "kernel_distance",
    "manifolds",
    "mean_distance",
    "r_precision",
]

_ROWS: Final = 1024  # of a matrix of distances that are in memory at once


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """The Fréchet distance of Gaussians fitted to features (Heusel et al. 2017, arXiv 1706.08500).

    ‖μ₁ - μ₂‖² + tr(C₁ + C₂ - 2(C₁C₂)^½) in float64. The trace of the root is the sum of the
    singular values of C₁^½ C₂^½, so that no root of a matrix without symmetry is needed and sets
    with fewer samples than dimensions do no harm.

    Args:
        first: Features [N, D], N at least 2.
        second: Features [M, D], M at least 2.

    Raises:
        ArgumentError: The shapes do not fit, or a value is not finite.
    """
    a, b = _features(first, second)
    root_a, root_b = _covariance_root(a), _covariance_root(b)
    shared = np.linalg.svd(root_a @ root_b, compute_uv=False).sum()
    means = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    traces = np.square(root_a).sum() + np.square(root_b).sum()
    return max(float(means + traces - 2 * shared), 0.0)


def kernel_distance(
    first: ArrayLike,
    second: ArrayLike,
    *,
    subsets: int = 50,
    subset_size: int = 1000,
    seed: int = 0,
) -> float:
    """The kernel distance of two sets of features (Bińkowski et al. 2018, arXiv 1801.01401).

    The unbiased estimate of the squared maximum mean discrepancy with the kernel (x·y/D + 1)³, mean
    over random subsets.

    Args:
        first: Features [N, D], N at least 2.
        second: Features [M, D], M at least 2.
        subsets: How many subsets.
        subset_size: Vectors of each set in a subset, at most as many as there are.
        seed: Of the choice of subsets.

    Raises:
        ArgumentError: The shapes do not fit, a value is not finite, or a count is too small.
    """
    a, b = _features(first, second)
    size = min(subset_size, len(a), len(b))
    if subsets < 1 or size < 2:
        raise ArgumentError(
            f"subsets is {subsets} and subset_size {subset_size}, expected at least 1 and 2"
        )
    random = np.random.RandomState(seed)

    def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        values: NDArray[np.float64] = (x @ y.T / x.shape[1] + 1) ** 3
        return values

    total = 0.0
    for _ in range(subsets):
        x = a[random.choice(len(a), size, replace=False)]
        y = b[random.choice(len(b), size, replace=False)]
        within = sum(
            (k.sum() - k.trace()) / (size * (size - 1)) for k in (kernel(x, x), kernel(y, y))
        )
        total += float(within - 2 * kernel(x, y).mean())
    return total / subsets


@dataclass(frozen=True)
class Manifolds:
    """How two sets of samples cover each other, 0 to 1 (density may exceed 1)."""

    precision: float
    """The share of made samples that lie among the real ones (arXiv 1904.06991)."""
    recall: float
    """The share of real samples that lie among the made ones (arXiv 1904.06991)."""
    density: float
    """In how many real neighbourhoods a made sample lies, over k (arXiv 2002.09797)."""
    coverage: float
    """The share of real neighbourhoods with a made sample in them (arXiv 2002.09797)."""


def manifolds(real: ArrayLike, made: ArrayLike, *, neighbours: int = 5) -> Manifolds:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    The neighbourhood of a sample is the ball that reaches to its k-th nearest neighbour in its own
    set.

    Args:
        real: Features [N, D], N above `neighbours`.
        made: Features [M, D], M above `neighbours`.
        neighbours: k; 3 in the first paper, 5 in the second.

    Raises:
        ArgumentError: The shapes do not fit, a value is not finite, or there are too few samples.
    """
    a, b = _features(real, made)
    if not 1 <= neighbours < min(len(a), len(b)):
        raise ArgumentError(
            f"neighbours is {neighbours} for {len(a)} and {len(b)} features, expected from 1 to "
            "fewer than there are"
        )
    real_radii, made_radii = _radii(a, neighbours), _radii(b, neighbours)
    inside = np.zeros(len(b))
    real_seen, covered = [], []
    for start in range(0, len(a), _ROWS):
        distances = _distances(a[start : start + _ROWS], b)
        balls = distances <= real_radii[start : start + _ROWS, None]
        inside += balls.sum(axis=0)
        covered.append(balls.any(axis=1))
        real_seen.append((distances <= made_radii).any(axis=1))
    return Manifolds(
        precision=float((inside > 0).mean()),
        recall=float(np.concatenate(real_seen).mean()),
        density=float(inside.mean() / neighbours),
        coverage=float(np.concatenate(covered).mean()),
    )


def mean_distance(features: ArrayLike) -> float:
    """The mean Euclidean distance of two different ones of features [N, D]; NaN if N is 1."""
    points = np.asarray(features, dtype=np.float64)
    if len(points) < 2:
        return float("nan")
    total = sum(
        np.sqrt(_distances(points[i : i + _ROWS], points)).sum()
        for i in range(0, len(points), _ROWS)
    )
    return float(total / (len(points) * (len(points) - 1)))


def r_precision(
    images: ArrayLike, texts: ArrayLike, *, candidates: int = 100, rank: int = 1, seed: int = 0
) -> float:
    """How often an image's own text is among the `rank` nearest (Xu et al. 2018, arXiv 1711.10485).

    Each image is held against its own text and `candidates` - 1 others, drawn at random from those
    that are not equal to it.

    Args:
        images: Unit embeddings [N, D].
        texts: Unit embeddings [N, D]; text i belongs to image i.
        candidates: Texts that an image chooses from, at most N.
        rank: How near the own text has to be.
        seed: Of the choice of others.

    Raises:
        ArgumentError: The shapes do not fit, or a value is not finite.
    """
    a, b = _features(images, texts)
    if len(a) != len(b) or candidates < 2 or rank < 1:
        raise ArgumentError(
            f"{len(a)} images, {len(b)} texts, {candidates} candidates, rank {rank}; expected as "
            "many images as texts, candidates from 2 and rank from 1"
        )
    random = np.random.RandomState(seed)
    found = 0
    for image, text in zip(a, b, strict=True):
        others = b[~np.isclose(b, text).all(axis=1)]
        chosen = random.choice(len(others), min(candidates - 1, len(others)), replace=False)
        found += int((others[chosen] @ image >= text @ image).sum() < rank)
    return found / len(a)


def entropy(labels: ArrayLike, classes: int) -> float:
    """The entropy in nats of labels [N], class numbers, negative where unknown; NaN if all are."""
    numbers = np.asarray(labels, dtype=np.int64)
    counts = np.bincount(numbers[numbers >= 0], minlength=classes)
    if not counts.sum():
        return float("nan")
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def entropy_spread(labels: ArrayLike, reference: ArrayLike, classes: int) -> float:
    """The entropy of labels over that of reference labels, 1 = the same spread.

    Args:
        labels: Class numbers [N], negative where unknown.
        reference: Class numbers [M], negative where unknown.
        classes: How many classes there are.

    Returns:
        The ratio; NaN if the reference has no spread or the labels are all unknown.
    """
    spread, full = entropy(labels, classes), entropy(reference, classes)
    return spread / full if full > 0 else float("nan")


def _features(
    first: ArrayLike, second: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = (np.asarray(side, dtype=np.float64) for side in (first, second))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ArgumentError(
            f"the features are {list(a.shape)} and {list(b.shape)}, expected [N, D] and [M, D] "
            "with at least 2 vectors each"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ArgumentError("the features hold NaN or infinity, expected finite numbers")
    return a, b


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Euclidean distances [N, M]."""
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    distances: NDArray[np.float64] = squares.clip(min=0)
    return distances


def _radii(points: NDArray[np.float64], neighbours: int) -> NDArray[np.float64]:
    """The squared distance from each point to its k-th nearest other one [N]."""
    # The point itself is the nearest of all.
    parts = [
        np.partition(_distances(points[i : i + _ROWS], points), neighbours, axis=1)[:, neighbours]
        for i in range(0, len(points), _ROWS)
    ]
    return np.concatenate(parts)


def _covariance_root(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric square root of the covariance [D, D]."""
    values, vectors = np.linalg.eigh(np.cov(features, rowvar=False).reshape(features.shape[1], -1))
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root
