"""The protocol of samplers: embedding → latent."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class LatentSampler(Protocol):
    """Draws generator latents that look like a given embedding."""

    embedding_dim: int
    z_dim: int
    num_ws: int
    w_dim: int

    def sample(self, condition: Tensor, z: Tensor) -> Tensor:
        """Draw w [N, num_ws, w_dim].

        The condition [N, embedding_dim] is L2-normalised here; z [N, z_dim] comes from N(0, I).
        """
        ...


@runtime_checkable
class LatentCritic(Protocol):
    """What some samplers can do besides: tell without an image what a latent looks like."""

    def estimate(self, latents: Tensor) -> Tensor:
        """Latents w [N, num_ws, w_dim] → the embeddings of their images [N, embedding_dim]."""
        ...
