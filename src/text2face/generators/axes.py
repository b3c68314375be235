"""The axes along which a generator's latents vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

if TYPE_CHECKING:
    from text2face.generators.base import Generator

__all__ = ["LatentAxes", "latent_axes"]

_SAMPLES: Final = 4096
_SEED: Final = 0
_SMALLEST: Final = 1e-4  # of the variance of the first axis


@dataclass(frozen=True)
class LatentAxes:
    """Latents in units of their standard deviation along their principal axes."""

    mean: Tensor
    """[w_dim]."""
    down: Tensor
    """Latents less the mean → codes of unit variance: [w_dim, K]."""
    up: Tensor
    """The inverse: [K, w_dim]."""


@torch.no_grad()
def latent_axes(generator: Generator, device: torch.device | str = "cpu") -> LatentAxes:
    """Find the axes from latents of 4,096 seeds, in the first layer; no image is made."""
    z = torch.randn(_SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(_SEED))
    c = torch.zeros(_SAMPLES, generator.c_dim) if generator.c_dim else None
    w = torch.cat(
        [
            generator.map(z[i : i + 256].to(device), None if c is None else c[i : i + 256])[:, 0]
            for i in range(0, _SAMPLES, 256)
        ]
    )
    return principal_axes(w.double().cpu())


def principal_axes(latents: Tensor) -> LatentAxes:
    """The axes of w [N, w_dim]."""
    mean = latents.mean(dim=0)
    centred = latents - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(latents))
    kept = values > _SMALLEST * values[-1]
    spread, vectors = values[kept].sqrt(), vectors[:, kept]
    return LatentAxes(mean.float(), (vectors / spread).float(), (vectors * spread).T.float())
