from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from text2face.errors import ArgumentError
from text2face.evaluation.metrics import (
    entropy_spread,
    frechet_distance,
    kernel_distance,
    manifolds,
    mean_distance,
    r_precision,
)


class Features(nn.Module):
    """16 numbers of an image, as the feature network of torchmetrics."""

    num_features = 16

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images.float() / 64, 4).mean(dim=1).flatten(1)


def make_images(brightness: int, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, brightness, (120, 3, 8, 8), generator=random, dtype=torch.uint8)


def features(images: Tensor) -> NDArray[np.float64]:
    return Features()(images).double().numpy()  # type: ignore[no-any-return]


def test_frechet_distance_agrees_with_torchmetrics() -> None:
    first, second = make_images(255, 0), make_images(220, 1)
    metric = FrechetInceptionDistance(Features(), input_img_size=(3, 8, 8))
    metric.set_dtype(torch.float64)
    metric.update(first, real=True)
    metric.update(second, real=False)
    expected = metric.compute().item()
    assert frechet_distance(features(first), features(second)) == pytest.approx(expected, rel=1e-3)


def test_kernel_distance_agrees_with_torchmetrics() -> None:
    first, second = make_images(255, 0), make_images(180, 1)
    with pytest.warns(UserWarning, match="buffer"):
        metric = KernelInceptionDistance(Features(), subsets=2, subset_size=120)
    metric.update(first, real=True)
    metric.update(second, real=False)
    expected = metric.compute()[0].item()
    got = kernel_distance(features(first), features(second), subsets=2, subset_size=120)
    assert got == pytest.approx(expected, rel=1e-3)


def test_frechet_distance_of_known_gaussians() -> None:
    points = np.random.RandomState(0).randn(4000, 3)
    points = (points - points.mean(axis=0)) @ np.linalg.inv(
        np.linalg.cholesky(np.cov(points, rowvar=False)).T
    )
    moved = 2 * points + [3, 0, 0]
    assert frechet_distance(points, moved) == pytest.approx(9 + 3)
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_with_fewer_samples_than_dimensions() -> None:
    random = np.random.RandomState(0)
    first, second = random.randn(20, 64), random.randn(30, 64)
    distance = frechet_distance(first, second)
    assert 0 < distance < 200
    assert distance == pytest.approx(frechet_distance(second, first))


def test_kernel_distance_tells_same_from_different() -> None:
    random = np.random.RandomState(0)
    first, second = random.randn(600, 8), random.randn(600, 8)
    assert abs(kernel_distance(first, second, subsets=5)) < 0.02
    assert kernel_distance(first, second + 1, subsets=5) > 0.5


def test_entropy_spread() -> None:
    assert entropy_spread([0, 1, 2, 3], [0, 1, 2, 3, -1], 4) == pytest.approx(1)
    assert entropy_spread([0, 0, 1, 1], [0, 1, 2, 3], 4) == pytest.approx(0.5)
    assert entropy_spread([2, 2, -1], [0, 1, 2, 3], 4) == 0
    assert math.isnan(entropy_spread([0, 1], [1, 1], 2))
    assert math.isnan(entropy_spread([-1], [0, 1], 2))


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance])
def test_what_is_wrong_is_said(measure: object) -> None:
    assert callable(measure)
    good = np.zeros((4, 3))
    for bad in (np.zeros((4, 2)), np.zeros((1, 3)), np.zeros(3)):
        with pytest.raises(ArgumentError, match="expected"):
            measure(good, bad)
    with pytest.raises(ArgumentError, match="NaN"):
        measure(good, np.full((4, 3), np.nan))
    with pytest.raises(ArgumentError, match="subsets"):
        kernel_distance(good, good, subsets=0)


def make_two_sets() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.RandomState(3)
    return random.randn(60, 4), 0.7 * random.randn(45, 4) + 0.5


@pytest.mark.parametrize("k", [1, 3, 5])
def test_manifolds_agree_with_their_definition(k: int) -> None:
    real, made = make_two_sets()

    def radius(points: NDArray[np.float64], i: int) -> float:
        others = [math.dist(points[i], points[j]) for j in range(len(points)) if j != i]
        return sorted(others)[k - 1]

    real_radii = [radius(real, i) for i in range(len(real))]
    made_radii = [radius(made, j) for j in range(len(made))]
    in_real = [
        [math.dist(real[i], point) <= real_radii[i] for i in range(len(real))] for point in made
    ]
    in_made = [
        [math.dist(made[j], point) <= made_radii[j] for j in range(len(made))] for point in real
    ]
    got = manifolds(real, made, neighbours=k)
    assert got.precision == pytest.approx(np.mean([any(row) for row in in_real]))
    assert got.recall == pytest.approx(np.mean([any(row) for row in in_made]))
    assert got.density == pytest.approx(np.sum(in_real) / (k * len(made)))
    assert got.coverage == pytest.approx(np.mean(np.any(in_real, axis=0)))


def test_manifolds_of_equal_and_of_distant_sets() -> None:
    real, _ = make_two_sets()
    same = manifolds(real, real)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    far = manifolds(real, real + 100)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)
    one = manifolds(real, np.repeat(real[:1], 50, axis=0) + 1e-9 * real[:50])
    assert one.precision == 1
    assert one.recall < 0.1
    with pytest.raises(ArgumentError, match="neighbours is 60"):
        manifolds(real, real, neighbours=60)


def test_mean_distance() -> None:
    points = [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]]
    assert mean_distance(points) == pytest.approx(10 / 3)
    assert math.isnan(mean_distance([[1.0]]))


def test_r_precision() -> None:
    random = np.random.RandomState(0)
    texts = random.randn(50, 8)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    assert r_precision(texts, texts) == 1
    assert r_precision(texts, np.roll(texts, 1, axis=0)) < 0.1
    chance = r_precision(random.randn(2000, 8), np.tile(texts, (40, 1)), candidates=10)
    assert chance == pytest.approx(0.1, abs=0.03)
    assert r_precision(random.randn(50, 8), texts, candidates=50, rank=50) == 1
    # Texts that are equal are no rivals.
    assert r_precision(texts[[0, 0, 1]], texts[[0, 0, 1]], candidates=3) == 1
    with pytest.raises(ArgumentError, match="as many images as texts"):
        r_precision(texts, texts[:-1])
