from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from recipes.generator.coarse import Coarse, find_components, train


def test_components_are_the_main_ones_and_as_wide_as_their_root() -> None:
    random = np.random.default_rng(0)
    shades = random.normal(size=(2, 400, 1, 1, 1)) * np.array([40, 10])[:, None, None, None, None]
    left = np.arange(128)[:, None] < 64
    images = (128 + shades[0] + shades[1] * (left[..., None] * 2 - 1)).clip(0, 255)
    components = find_components(images.repeat(3, axis=-1).astype(np.uint8), 2)
    assert components.shape == (400, 2)
    for component, shade in zip(components.T, shades.reshape(2, 400), strict=True):
        assert abs(np.corrcoef(component, shade)[0, 1]) > 0.98
    spread = components.std(0)
    assert torch.allclose(spread[0] / spread[1], torch.tensor(2.0), rtol=0.1)


def test_it_learns_what_is_not_linear(tmp_path: Path) -> None:
    torch.manual_seed(0)
    parameters = torch.randn(2560, 6)
    wanted = torch.stack([parameters[:, 0] * parameters[:, 1], parameters[:, 2].abs()], dim=1)
    coarse = Coarse(6, count=2)
    train(coarse, parameters, wanted, epochs=20)
    found = coarse(parameters).detach()
    assert (found - wanted).square().mean() < 0.1 * wanted.var(0).mean()
    save_file(coarse.state_dict(), tmp_path / "coarse.safetensors")
    again = Coarse.from_file(tmp_path / "coarse.safetensors")
    extended = again.extend(parameters)
    torch.testing.assert_close(extended[:, :6], parameters)
    torch.testing.assert_close(extended[:, 6:], found)
