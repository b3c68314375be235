from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from recipes.generator.coarse import COARSE, Coarse
from recipes.generator.latents import LIFT, Parameters
from recipes.generator.train import CHECKPOINT, new_generator
from recipes.train_inversion import read_renders


def test_renders_have_the_latents_that_the_generator_was_trained_with(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rows = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float16)
    images = np.zeros((6, 128, 128, 3), np.uint8)
    np.save(tmp_path / "parameters.npy", rows)
    np.save(tmp_path / "images.npy", images)
    generator, coarse = new_generator(), Coarse(9, 4)
    values = coarse.extend(torch.from_numpy(rows).float())
    embedding = Parameters(13, generator.w_dim)
    embedding.fit(values)
    state = torch.nn.ModuleDict({"synthesis": generator.synthesis, "embedding": embedding})
    save_file(coarse.state_dict(), tmp_path / COARSE)
    torch.save({"average": state.state_dict()}, tmp_path / CHECKPOINT)
    found = read_renders(tmp_path, tmp_path)
    with torch.no_grad():
        expected = embedding(values) + LIFT
    torch.testing.assert_close(found.latents.float(), expected, rtol=2e-3, atol=2e-3)
    assert len(found.images) == 6
