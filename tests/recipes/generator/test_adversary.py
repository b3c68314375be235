from __future__ import annotations

import copy

import torch

from recipes.generator.adversary import Adversary


def activations(mean: float) -> list[torch.Tensor]:
    return [torch.randn(8, 6, 8, 8) + mean, torch.randn(8, 4, 4, 4) + mean]


def test_critics_learn_to_tell_renders_from_fakes() -> None:
    torch.manual_seed(0)
    adversary = Adversary([6, 4])
    losses = [adversary.learn(activations(0.5), activations(-0.5), 2e-3) for _ in range(60)]
    assert abs(losses[0] - 2) < 0.2
    assert losses[-1] < 0.7
    assert adversary.judge(activations(0.5)) < adversary.judge(activations(-0.5))


def test_a_verdict_reaches_the_fake_and_not_the_critics() -> None:
    torch.manual_seed(0)
    adversary = Adversary([6, 4])
    fake = [x.requires_grad_() for x in activations(0)]
    adversary.judge(fake).backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in fake)
    assert all(parameter.grad is None for parameter in adversary.critics.parameters())


def test_critics_are_restored() -> None:
    torch.manual_seed(0)
    one, other = Adversary([6, 4]), Adversary([6, 4])
    one.learn(activations(1), activations(0), 1e-3)
    other.restore(copy.deepcopy(one.state()))
    real, fake = activations(1), activations(0)
    assert one.learn(real, fake, 1e-3) == other.learn(real, fake, 1e-3)
    assert torch.equal(one.judge(fake), other.judge(fake))
