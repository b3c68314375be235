from __future__ import annotations

import math

import torch

from text2face.dense import Dense, normalize_second_moment


def test_dense() -> None:
    layer = Dense(5, 4, lr_multiplier=0.1, bias=2.0, activate=True)
    assert torch.allclose(layer.bias * 0.1, torch.full((4,), 2.0))
    x = torch.randn(3, 5)
    y = x @ (layer.weight * 0.1 / math.sqrt(5)).T + 2
    assert torch.allclose(layer(x), torch.where(y > 0, y, 0.2 * y) * math.sqrt(2), atol=1e-6)


def test_normalize_second_moment() -> None:
    x = normalize_second_moment(torch.randn(3, 50) * torch.tensor([[1e-2], [1.0], [1e3]]))
    assert torch.allclose(x.square().mean(1), torch.ones(3), atol=1e-3)


def test_the_gain_is_that_of_the_outputs() -> None:
    torch.manual_seed(0)
    layer = Dense(400, 300, gain=0.3)
    spread = layer(torch.randn(50, 400)).std()
    assert torch.allclose(spread, torch.tensor(0.3), atol=0.01)
