from __future__ import annotations

import torch
from torch.nn import functional as F

from recipes.generator.perception import Perception, difference
from text2face.encoders.compact import CompactConfig, CompactEncoder


def make() -> Perception:
    torch.manual_seed(0)
    return Perception(CompactEncoder(CompactConfig(words=("a",), image_widths=(8, 16, 16, 16))))


def distance(
    perception: Perception, image: torch.Tensor, real: torch.Tensor, step: int
) -> torch.Tensor:
    return difference(perception.look(image, step), perception.look(real, step))


def test_the_same_image_looks_the_same_at_any_shift() -> None:
    image = torch.rand(2, 3, 128, 128) * 2 - 1
    assert all(distance(make(), image, image, step).abs() < 1e-5 for step in range(5))


def test_the_nearer_the_more_alike() -> None:
    perception = make()
    real = F.interpolate(torch.rand(2, 3, 8, 8) * 2 - 1, (128, 128), mode="bilinear")
    image = torch.zeros(2, 3, 128, 128, requires_grad=True)
    far, near, nearest = (
        distance(perception, torch.lerp(image, real, s), real, 1) for s in (0, 0.5, 0.9)
    )
    assert far > near > nearest > 0
    far.backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in perception.parameters())


def test_smaller_images_are_enlarged() -> None:
    image = torch.rand(2, 3, 64, 64)
    perception = make()
    seen = perception.look(image, 0)
    assert [x.shape[1] for x in seen[:-1]] == perception.channels
    assert seen[-1].shape == (2, 256)
