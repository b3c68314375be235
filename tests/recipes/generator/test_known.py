from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.faces.identity import sample
from recipes.faces.parameters import names, parameters
from recipes.generator.known import FILE, MIN_SEPARATION, Known, balanced, fit, pairs
from recipes.generator.train import new_generator


def test_half_of_the_faces_have_rare_values_often() -> None:
    z = balanced(600)
    np.testing.assert_allclose((z**2).mean(1), 1)
    rare = np.array([sample(each).light in ("dramatic", "backlit") for each in z])
    assert rare[:300].mean() > 3 * rare[300:].mean()


def test_a_linear_map_is_found_again_and_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rows = torch.from_numpy(np.stack([parameters(sample(z)) for z in balanced(1200)]))
    truth = torch.randn(rows.shape[1], 8)
    known = Known(rows.shape[1], 8)
    known.fit(rows)
    wanted = known.scaled(rows) @ truth
    assert fit(known, rows, wanted, epochs=1) < 0.02
    known.save(tmp_path / FILE)
    again = Known.from_file(tmp_path / FILE)
    torch.testing.assert_close(again(rows), known(rows).detach())
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_details_are_set_apart() -> None:
    known = Known(len(names()), 64)
    known.set_apart()
    lengths = dict(zip(names(), known.apart.norm(dim=1).tolist(), strict=True))
    assert lengths["earrings", "hoop"] == pytest.approx(MIN_SEPARATION["earrings"])
    assert lengths["earrings", "none"] == lengths["gender", "male"] == 0
    assert lengths["freckles", "yes"] == pytest.approx(MIN_SEPARATION["freckles"])


def test_pairs_are_what_the_mapping_network_says() -> None:
    generator = new_generator().eval()
    rows, latents = pairs(generator, 20)
    z = torch.from_numpy(balanced(20)).float()
    torch.testing.assert_close(latents, generator.mapping(z).detach())
    np.testing.assert_allclose(rows[7], parameters(sample(balanced(20)[7])))
