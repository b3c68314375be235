"""Distances between sets of feature vectors, and the spread of labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from text2face.errors import ArgumentError

__all__ = ["entropy", "entropy_spread", "frechet_distance", "kernel_distance"]


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


def _covariance_root(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric square root of the covariance [D, D]."""
    values, vectors = np.linalg.eigh(np.cov(features, rowvar=False).reshape(features.shape[1], -1))
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root
