from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from recipes.faces.identity import Z_DIM, Draws, choices, read
from recipes.generator.latents import LIFT, Parameters
from recipes.generator.mapping import best_products, build, draw_parameters, normals, train
from recipes.generator.train import new_generator


def left_over(generator: torch.nn.Module, z: torch.Tensor, latents: torch.Tensor) -> float:
    error = F.mse_loss(generator.mapping(z.float()), latents) / latents.var(dim=0).mean()
    return error.item()


def test_the_network_knows_most_before_it_is_trained() -> None:
    torch.manual_seed(0)
    generator = new_generator()
    values = torch.from_numpy(np.concatenate([draw_parameters(s) for s in range(0, 4000, 1000)]))
    z = torch.cat([normals(1000, s) for s in range(0, 4000, 1000)])
    embedding = Parameters(values.shape[1], generator.w_dim).requires_grad_(False)
    embedding.fit(values.float())
    embedding.dense.bias += LIFT / embedding.dense.bias_gain
    latents = embedding(values.float())
    build(generator.mapping, z[:2000].float(), latents[:2000])
    built = left_over(generator, z[2000:], latents[2000:])
    assert built < 0.3
    train(generator, z, latents, steps=20, batch=128)
    assert left_over(generator, z[2000:], latents[2000:]) < 1.3 * built


def test_the_steps_of_all_choices_fit_into_two_layers() -> None:
    cuts = choices()
    draws = Draws(np.zeros(Z_DIM))
    read(draws)
    steps = sum(np.isfinite(np.unique(c)).sum() for c in cuts.values())
    numbers = draws.used - len(cuts)
    assert steps // 2 + 2 * (steps - steps // 2) + numbers <= new_generator().w_dim


def test_the_products_that_explain_most_are_found() -> None:
    units = (torch.randn(2000, 8) > 0).float()
    left = torch.stack([units[:, 1] * units[:, 5], -units[:, 2] * units[:, 3]], dim=1)
    found = best_products(units, left - left.mean(0), 8)
    assert {(1, 5), (2, 3)} <= set(found)
