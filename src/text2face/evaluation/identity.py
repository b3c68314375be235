"""The identity network: embeds a face so that pictures of one person are close.

`recipes/train_identity.py` trains one on several renders of each of many people.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.convolution import trunk
from text2face.errors import ArgumentError
from text2face.evaluation.judge import resize, round_to_bytes
from text2face.storage.saved import SavedModule

__all__ = ["IdentityConfig", "IdentityNetwork"]


@dataclass(frozen=True)
class IdentityConfig:
    """The shape of an identity network, and how to read its cosines."""

    resolution: int = 128
    """Pictures are resized to this side."""
    window: tuple[int, int, int] = (24, 16, 96)
    """Top, left and side of what is seen of them, the face; the side is a multiple of 32."""
    width: int = 32
    embedding_dim: int = 64
    same: float = 1.0
    """The mean cosine of two pictures of one person."""
    strangers: float = 0.0
    """The mean cosine of pictures of two people of one gender, age and ethnicity."""
    held: tuple[str, ...] = ()
    """The attributes of a judge that make a person; who changes them becomes another one."""
    threshold: float = 0.5
    """Above this cosine one in a hundred pairs of such strangers is taken for one person."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A size is out of range.
        """
        object.__setattr__(self, "held", tuple(self.held))
        object.__setattr__(self, "window", tuple(self.window))
        top, left, side = self.window
        inside = min(top, left) >= 0 and max(top, left) + side <= self.resolution
        if side < 32 or side % 32 or not inside or min(self.width, self.embedding_dim) < 1:
            raise ArgumentError(
                f"bad sizes: got {self}, expected a window inside of the resolution with a side "
                "that 32 divides, and a width and embedding_dim from 1"
            )


class IdentityNetwork(SavedModule):
    """Pictures of one person have a high cosine, pictures of two a low one."""

    kind = "identity"
    config_class = IdentityConfig
    config: IdentityConfig

    def __init__(self, config: IdentityConfig | None = None) -> None:
        """Make an untrained network."""
        super().__init__()
        self.config = config = config or IdentityConfig()
        self.trunk = trunk(config.window[2], config.width, config.embedding_dim)
        # Without it, all cosines are near 1 at first, and much of the training goes by.
        self.norm = nn.BatchNorm1d(config.embedding_dim, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] → unit vectors [N, embedding_dim]."""
        top, left, side = self.config.window
        images = resize(images, self.config.resolution)
        face = images[..., top : top + side, left : left + side]
        return F.normalize(self.norm(self.trunk(face).float()), dim=1)

    def embed(self, batches: Iterable[Tensor]) -> Tensor:
        """Batches of images [N, 3, H, W] in [-1, 1] → unit vectors [ΣN, embedding_dim]."""
        parts = []
        for images in batches:  # which may need gradients to come about
            with torch.inference_mode():
                parts.append(self(round_to_bytes(images)))
        return torch.cat(parts)
