"""What two discriminators say of images beside the ones they should be.

One sees the whole face at half the resolution, the other a window of the last resolution; they take
turns. As every image has its render, most is learnt from the features of the two, which have to
match (arXiv 1711.11585, equation 3); the verdict alone teaches the blends, which have none.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.generator.networks import Discriminator

MATCH: Final = 4.0
VERDICT: Final = 0.5
PENALTY: Final = 0.02  # R1 (arXiv 1801.04406), each time
PENALTY_EVERY: Final = 16


class Adversary(nn.Module):
    """A discriminator and its optimiser."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Discriminator()
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=0.0, betas=(0.0, 0.99), fused=True
        )
        self.turn = 0

    def state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "turn": self.turn,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.turn = state["turn"]

    def judge(self, real: Tensor, fake: Tensor, rate: float) -> tuple[Tensor, dict[str, float]]:
        """Learn to tell fakes from real images, and say what is wrong with the fakes.

        Args:
            real: [N, 3, 64, 64] in [-1, 1].
            fake: [N or more, 3, 64, 64]; the first N should be the real ones.
            rate: The learning rate.

        Returns:
            A loss to train the fakes by, and the numbers to report.
        """
        parameters = list(self.network.parameters())
        count = len(real)
        seen = fake.detach().requires_grad_()
        with torch.autocast(real.device.type, torch.bfloat16):
            logits, features = self.network.features(torch.cat([real, seen]))
        verdict = F.softplus(-logits[:count]).mean() + F.softplus(logits[count:]).mean()
        if self.turn % PENALTY_EVERY == 0:
            verdict = verdict + PENALTY * PENALTY_EVERY * self._penalty(real)
        pairs = [feature.float().split([count, count, len(fake) - count]) for feature in features]
        match = torch.stack([F.l1_loss(b, a.detach()) for a, b, _ in pairs]).sum()
        adversarial = F.softplus(-logits[count:]).mean()
        wrong = MATCH * match + VERDICT * adversarial
        (direction,) = torch.autograd.grad(wrong, seen, retain_graph=True)
        gradients = torch.autograd.grad(verdict, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        self.turn += 1
        numbers = {"match": match.item(), "adv": adversarial.item(), "verdict": verdict.item()}
        return (fake * direction).sum(), numbers

    def _penalty(self, real: Tensor) -> Tensor:
        """The squared length of the gradient at real images, in float32."""
        few = real[: max(4, len(real) // 2)].detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.network(few).sum(), few, create_graph=True)
        return gradient.square().sum(dim=(1, 2, 3)).mean()
