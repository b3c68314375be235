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
from text2face.evaluation.metrics import entropy_spread, frechet_distance, kernel_distance


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
