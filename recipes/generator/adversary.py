"""Critics of an image and of what the text-image encoder sees in it.

A discriminator of whole images that starts from pixels learns for hundreds of thousands of images
before it helps. Critics of patches (arXiv 1611.07004) tell a drawn texture from a rendered one
after a thousand, and so do those of the activations of an encoder that has learnt to see already
(projected discriminators, arXiv 2111.01007).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.precision import autocast

WIDTH = 64


class Adversary(nn.Module):
    """A critic for each of some maps, and their optimiser."""

    def __init__(self, channels: list[int], depth: int = 1) -> None:
        """Make the critics.

        Args:
            channels: The channels of each map that is judged.
            depth: How often a critic halves its map.
        """
        super().__init__()
        self.critics = nn.ModuleList(_critic(count, depth) for count in channels)
        self.optimizer = torch.optim.Adam(
            self.critics.parameters(), lr=0.0, betas=(0.0, 0.99), fused=True
        )

    def state(self) -> dict[str, Any]:
        return {"critics": self.critics.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.critics.load_state_dict(state["critics"])
        self.optimizer.load_state_dict(state["optimizer"])

    def learn(self, real: list[Tensor], fake: list[Tensor], rate: float) -> float:
        """Take a step in telling maps [N, C, H, W] apart; the loss is 2 for critics that cannot."""
        pairs = zip(self._logits(real), self._logits([x.detach() for x in fake]), strict=True)
        losses = [F.relu(1 - a).mean() + F.relu(1 + b).mean() for a, b in pairs]
        loss = torch.stack(losses).mean()
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def judge(self, fake: list[Tensor]) -> Tensor:
        """A loss that falls as the maps pass for those of renders."""
        self.critics.requires_grad_(False)
        loss = -torch.stack([x.mean() for x in self._logits(fake)]).mean()
        self.critics.requires_grad_(True)
        return loss

    def _logits(self, maps: list[Tensor]) -> list[Tensor]:
        """Of each critic, high for renders. Learnt with a margin (hinge), they stay small."""
        with autocast(maps[0].device):
            logits = [critic(x) for critic, x in zip(self.critics, maps, strict=True)]
        return [x.float() for x in logits]


class PairedAdversary(nn.Module):
    """A critic that is shown what it should be: a blurred render beside the window that it judges.

    For a render and what was drawn from its parameters it also says how unlike they look to it
    (feature matching, arXiv 1512.09300), so that strands and irises come out where they are.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        sizes = (width, width * 4 // 3, width * 2)
        self.layers = nn.ModuleList([nn.Conv2d(6, width, 3, padding=1)])
        for before, after in pairwise((width, *sizes)):
            self.layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
        self.layers.append(nn.Conv2d(sizes[-1], 1, 1))
        self.layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(
            self.layers.parameters(), lr=0.0, betas=(0.0, 0.99), fused=True
        )

    def state(self) -> dict[str, Any]:
        return {"critics": self.layers.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.layers.load_state_dict(state["critics"])
        self.optimizer.load_state_dict(state["optimizer"])

    def learn(self, real: Tensor, fake: Tensor, rate: float) -> float:
        """Take a step in telling windows [N, 3, H, W] of pairs apart; 2 for a critic that cannot.

        A hinge on the difference of the two logits at each place (arXiv 1807.00734): what a
        pair has in common cancels out.
        """
        margin = self._look(real, real)[-1] - self._look(fake.detach(), real)[-1]
        loss = 2 * F.relu(1 - margin).mean()
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Two losses: that windows do not pass for the render, and how unlike they look."""
        self.layers.requires_grad_(False)
        with torch.no_grad():
            wanted = self._look(real, real)
        seen = self._look(fake, real)
        self.layers.requires_grad_(True)
        unlike = [
            (a - b).abs().mean() / b.abs().mean()
            for a, b in zip(seen[:-1], wanted[:-1], strict=True)
        ]
        return F.relu(1 + wanted[-1] - seen[-1]).mean(), torch.stack(unlike).sum()

    def _look(self, image: Tensor, render: Tensor) -> list[Tensor]:
        """The activations, and last the logits."""
        blurred = F.interpolate(F.avg_pool2d(render, 4), scale_factor=4, mode="bilinear")
        x = torch.cat([image, blurred], dim=1).contiguous(memory_format=torch.channels_last)
        seen = []
        with autocast(x.device):
            for layer in self.layers[:-1]:
                x = F.leaky_relu(layer(x), 0.2)
                seen.append(x)
            seen.append(self.layers[-1](x))
        return [each.float() for each in seen]


def _critic(channels: int, depth: int) -> nn.Sequential:
    """Logits at all places."""
    layers: list[nn.Module] = [nn.Conv2d(channels, WIDTH, 3, padding=1)]
    for _ in range(depth):
        layers += [nn.LeakyReLU(0.2), nn.Conv2d(WIDTH, WIDTH, 4, stride=2, padding=1)]
    layers += [nn.LeakyReLU(0.2), nn.Conv2d(WIDTH, 1, 1)]
    critic = nn.Sequential(*layers)
    critic.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return critic
