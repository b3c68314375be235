from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recipes.generator.mapping import draw_parameters, normals
from recipes.train_inversion import fit_latents


class Linear:
    """A generator whose latents are linear in the renderer's parameters."""

    w_dim = 5

    def __init__(self) -> None:
        parameters = torch.from_numpy(draw_parameters(0).astype(np.float32))
        random = torch.Generator().manual_seed(0)
        self.matrix = torch.randn(parameters.shape[1], 5, generator=random)
        self.latents = parameters @ self.matrix + 3
        self.z = normals(1000).float()

    def map(self, z: Tensor) -> Tensor:
        rows = torch.cdist(z, self.z).argmin(dim=1)
        return self.latents[rows][:, None].expand(-1, 4, -1)


def test_the_latents_of_renders_are_found_without_images() -> None:
    generator = Linear()
    held_out = draw_parameters(1000)[:50]
    found = fit_latents(generator, held_out, 1000)  # type: ignore[arg-type]
    expected = torch.from_numpy(held_out.astype(np.float32)) @ generator.matrix + 3
    missed = (found - expected).square().sum() / (expected - expected.mean(0)).square().sum()
    assert float(missed) < 0.02
