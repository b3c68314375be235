"""The discriminator of the recipe."""

from __future__ import annotations

import torch

from recipes.generator.networks import Discriminator


def test_logits_and_features() -> None:
    torch.manual_seed(0)
    model = Discriminator((4, 6, 8))
    images = torch.randn(8, 3, 32, 32)
    logits, features = model.features(images)
    assert torch.equal(logits, model(images))
    assert logits.shape == (8,)
    assert [tuple(x.shape) for x in features] == [(8, 6, 8, 8), (8, 8, 4, 4)]


def test_gradient_penalty_reaches_every_weight() -> None:
    torch.manual_seed(0)
    model = Discriminator((4, 6, 8))
    images = torch.randn(4, 3, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(images).sum(), images, create_graph=True)
    gradient.square().sum().backward()
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_bfloat16_is_close() -> None:
    torch.manual_seed(0)
    model = Discriminator((4, 6, 8))
    images = torch.randn(4, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(images)
    assert logits.dtype == torch.float32
    assert torch.allclose(logits, model(images), atol=0.1)
