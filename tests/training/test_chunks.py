from __future__ import annotations

import pytest
import torch
from torch import Tensor

from text2face.training.chunks import chunk_size, in_chunks


def test_large_images_are_few() -> None:
    assert [chunk_size(side) for side in (128, 256, 512, 1024, 2048)] == [64, 16, 4, 1, 1]


@pytest.mark.parametrize("resolution", [128, 512, 1024])
def test_parts_give_the_results_and_gradients_of_the_whole(resolution: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 6, dtype=torch.float64, requires_grad=True)
    x = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    target = torch.randn(5, 6, dtype=torch.float64)
    sizes: list[int] = []

    def work(x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        sizes.append(len(x))
        y = (x @ weight).tanh()
        return (y - target).square().sum(dim=1), y

    whole = work(x, target)
    wanted = torch.autograd.grad(whole[0].mean(), (weight, x))
    sizes.clear()
    parts = in_chunks(work, resolution, x, target)
    assert max(sizes) <= chunk_size(resolution)
    for part, one in zip(parts, whole, strict=True):
        torch.testing.assert_close(part, one)
    found = torch.autograd.grad(parts[0].mean(), (weight, x))
    for got, expected in zip(found, wanted, strict=True):
        torch.testing.assert_close(got, expected)


def test_memory_is_that_of_one_part() -> None:
    held: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        held.append(tensor.numel())
        return tensor

    x = torch.randn(8, 1000, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        in_chunks(lambda part: (part.exp().sin().exp().sum(dim=1),), 1024, x)
    inside = sum(size for size in held if size == 1000)
    assert inside <= 8 * 1000  # the inputs of the parts, and not what lies between
