"""Critics of what the text-image encoder sees (projected discriminators, arXiv 2111.01007).

A discriminator that starts from pixels learns for hundreds of thousands of images before it helps.
The encoder has learnt to see already; small critics of its activations tell renders from fakes
after a thousand.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 64


class Adversary(nn.Module):
    """A critic for each of some activations, and their optimiser."""

    def __init__(self, channels: list[int]) -> None:
        """Make the critics.

        Args:
            channels: The channels of each activation.
        """
        super().__init__()
        self.critics = nn.ModuleList(_critic(count) for count in channels)
        self.optimizer = torch.optim.Adam(
            self.critics.parameters(), lr=0.0, betas=(0.0, 0.99), fused=True
        )

    def state(self) -> dict[str, Any]:
        return {"critics": self.critics.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.critics.load_state_dict(state["critics"])
        self.optimizer.load_state_dict(state["optimizer"])

    def learn(self, real: list[Tensor], fake: list[Tensor], rate: float) -> float:
        """Take a step in telling activations [N, C, H, W] apart; the loss is 2 ln 2 at chance."""
        loss = self._verdict([x.detach() for x in fake], 1.0) + self._verdict(real, -1.0)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def judge(self, fake: list[Tensor]) -> Tensor:
        """A loss that falls as the activations pass for those of renders."""
        self.critics.requires_grad_(False)
        loss = self._verdict(fake, -1.0)
        self.critics.requires_grad_(True)
        return loss

    def _verdict(self, seen: list[Tensor], sign: float) -> Tensor:
        """The mean logistic loss over places, images and critics; logits are high for renders."""
        with torch.autocast(seen[0].device.type, torch.bfloat16):
            logits = [critic(x) for critic, x in zip(self.critics, seen, strict=True)]
        return torch.stack([F.softplus(sign * x.float()).mean() for x in logits]).mean()


def _critic(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, WIDTH, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(WIDTH, 1, 1),
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
