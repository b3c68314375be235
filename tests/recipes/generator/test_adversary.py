from __future__ import annotations

import copy

import torch

from recipes.generator.adversary import Adversary, PairedAdversary


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


def test_a_paired_critic_prefers_the_render_and_says_how_unlike_a_fake_is() -> None:
    torch.manual_seed(0)
    critic = PairedAdversary(width=12)
    losses = []
    for _ in range(80):
        real = torch.rand(8, 3, 32, 32) * 2 - 1
        losses.append(critic.learn(real, real * 0.3, 2e-3))
    assert abs(losses[0] - 2) < 0.2
    assert losses[-1] < 0.7
    real = torch.rand(8, 3, 32, 32) * 2 - 1
    blurred = (real * 0.3).requires_grad_()
    verdict, unlike = critic.judge(real, blurred)
    same, alike = critic.judge(real, real)
    assert verdict > same
    assert unlike > alike == 0
    (verdict + unlike).backward()
    assert blurred.grad is not None
    assert blurred.grad.abs().sum() > 0
    again = PairedAdversary(width=12)
    again.restore(copy.deepcopy(critic.state()))
    assert torch.equal(again.judge(real, blurred)[0], verdict)
