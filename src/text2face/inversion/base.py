"""The protocol of inversion encoders: image → latent."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class LatentEncoder(Protocol):
    """Finds in one pass a latent whose image looks like a given one."""

    num_ws: int
    w_dim: int

    def encode(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1], any size → w [N, num_ws, w_dim]."""
        ...
